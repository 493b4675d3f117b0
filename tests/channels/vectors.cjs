// Writes vectors.json: what the SDKs sign with two keys that are for nothing else. Run by hand, like the judges.
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const modules = path.join(process.env.TOLLGATE_JUDGES, 'node_modules');
const alipay = require(path.join(modules, 'alipay-sdk/dist/commonjs/util.js'));
const Pay = require(path.join(modules, 'wechatpay-node-v3'));
const pair = () => crypto.generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const [merchant, wallet] = [pair(), pair()];
const apiKey = '0123456789abcdef0123456789abcdef';
const order = '07'.repeat(16);

const fields = alipay.sign('alipay.trade.precreate', {
  timestamp: '2026-11-27 12:00:00', notify_url: 'https://pay.example/alipay?a=b',
  bizContent: { out_trade_no: order, subject: '鞋 & "50%"', total_amount: '12.34' },
}, { appId: '2021000000000001', charset: 'utf-8', version: '1.0', signType: 'RSA2', privateKey: merchant.privateKey });

const told = {
  app_id: '2021000000000001', gmt_payment: '2026-11-27 12:00:01', out_trade_no: order, subject: '鞋 & "50%"',
  total_amount: '12.34', trade_no: '2026112722001', trade_status: 'TRADE_SUCCESS',
};
const text = Object.keys(told).sort().map((name) => `${name}=${told[name]}`).join('&');
const notification = new URLSearchParams({ ...told, sign: alipay.signatureV3(text, wallet.privateKey), sign_type: 'RSA2' });

const pay = (keys) => new Pay({
  appid: 'wxd678efh567hg6787', mchid: '1900000001', serial_no: '5157F09E', publicKey: Buffer.from(keys.publicKey),
  privateKey: Buffer.from(keys.privateKey), key: apiKey,
});
const nonce = '593BEC0C930BF1AFEB40B4A08C8FB242';
const request = pay(merchant).getSignature('GET', nonce, '1795780800', `/v3/pay/transactions/out-trade-no/${order}?mchid=1900000001`);

const cipher = crypto.createCipheriv('aes-256-gcm', apiKey, 'fdasflkja484');
cipher.setAAD(Buffer.from('transaction'));
const plain = JSON.stringify({
  mchid: '1900000001', appid: 'wxd678efh567hg6787', out_trade_no: order, trade_state: 'SUCCESS', attach: '鞋',
  amount: { total: 1234, currency: 'CNY' },
});
const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64');
const body = JSON.stringify({
  id: '1', event_type: 'TRANSACTION.SUCCESS',
  resource: { algorithm: 'AEAD_AES_256_GCM', ciphertext: sealed, associated_data: 'transaction', nonce: 'fdasflkja484' },
});
const signature = crypto.createSign('RSA-SHA256').update(`1795780800\n${nonce}\n${body}\n`).sign(wallet.privateKey, 'base64');

fs.writeFileSync(path.join(__dirname, 'vectors.json'), `${JSON.stringify({
  made_by: 'alipay-sdk 4.14.0, wechatpay-node-v3 2.2.1, node:crypto',
  merchant: merchant.privateKey, wallet: wallet.publicKey, api_key: apiKey,
  alipay: { request: fields, notification: notification.toString() },
  wechatpay: { nonce, timestamp: '1795780800', request, serial: '5157F09E', notification: { body, signature } },
}, null, 1)}\n`);
