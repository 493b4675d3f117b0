// A merchant with wechatpay-node-v3, at the simulated wallet: argv[2] is its address, argv[3] the folder of keys.
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const Pay = require(path.join(process.env.TOLLGATE_JUDGES, 'node_modules/wechatpay-node-v3'));
const [gateway, folder] = process.argv.slice(2);
const read = (name) => fs.readFileSync(path.join(folder, name));
const SERIAL = 'PUB_KEY_ID_0119000000012026';
const apiKey = read('api_key').toString();
const order = '0'.repeat(31) + '1';
const back = '0'.repeat(31) + '2';
Pay.certificates[SERIAL] = read('wallet.pub.pem').toString();

function merchant(privateKey) {
  const pay = new Pay({
    appid: 'wxd678efh567hg6787', mchid: '1900000001', serial_no: '5157F09EFDC096DE15EBE81A47057A7232F1B8E1',
    publicKey: read('merchant.pub.pem'), privateKey: read(privateKey), key: apiKey,
  });
  const send = async (method, url, headers, body) => {
    const response = await fetch(url.replace('https://api.mch.weixin.qq.com', gateway), { method, headers, body });
    const text = await response.text();
    const header = (name) => response.headers.get(`wechatpay-${name}`);
    const check = (body) => pay.verifySign({
      timestamp: header('timestamp'), nonce: header('nonce'), serial: header('serial'),
      signature: header('signature'), body, apiSecret: apiKey,
    });
    if (header('signature')) {
      assert.equal(await check(text), true);
      assert.equal(await check(`${text} `), false);
    }
    return { status: response.status, data: text ? JSON.parse(text) : null };
  };
  pay.createHttp({
    get: (url, headers) => send('GET', url, headers),
    post: (url, params, headers) => send('POST', url, { ...headers, 'Content-Type': 'application/json' }, JSON.stringify(params)),
  });
  return pay;
}

async function main() {
  const told = [];
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => { body += chunk; });
    request.on('end', () => { told.push({ headers: request.headers, body }); response.end('{"code":"SUCCESS"}'); });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const notify_url = `http://127.0.0.1:${server.address().port}/told`;
  const ours = merchant('merchant.pem');

  const placed = await ours.transactions_native({
    description: '鞋 & "50%"', out_trade_no: order, notify_url, amount: { total: 1234, currency: 'CNY' },
  });
  assert.equal(placed.status, 200);
  assert.match(placed.data.code_url, /^weixin:/);
  assert.equal((await fetch(`${gateway}/simulate/${order}/pay`, { method: 'POST' })).status, 200);
  const state = await ours.query({ out_trade_no: order });
  assert.equal(state.data.trade_state, 'SUCCESS');
  const refund = await ours.refunds({
    out_trade_no: order, out_refund_no: back, notify_url, amount: { refund: 200, total: 1234, currency: 'CNY' },
  });
  assert.equal(refund.data.status, 'SUCCESS');
  assert.equal((await ours.find_refunds(back)).data.status, 'SUCCESS');
  assert.equal((await ours.query({ out_trade_no: back })).status, 404);

  while (told.length < 2) await new Promise((done) => setTimeout(done, 10));
  const numbers = [];
  for (const { headers, body } of told) {
    const params = (body) => ({
      timestamp: headers['wechatpay-timestamp'], nonce: headers['wechatpay-nonce'], serial: headers['wechatpay-serial'],
      signature: headers['wechatpay-signature'], body, apiSecret: apiKey,
    });
    assert.equal(await ours.verifySign(params(body)), true);
    assert.equal(await ours.verifySign(params(body.replace('SUCCESS', 'FAILURE'))), false);
    const { ciphertext, associated_data, nonce } = JSON.parse(body).resource;
    const plain = ours.decipher_gcm(ciphertext, associated_data, nonce, apiKey);
    numbers.push(plain.out_refund_no ?? plain.out_trade_no);
  }
  assert.deepEqual(numbers.sort(), [order, back].sort());

  assert.equal((await merchant('wallet.pem').query({ out_trade_no: order })).status, 401);
  server.close();
  console.log('ok');
  process.exit(0);
}

main().catch((error) => { console.error(error); process.exit(1); });
