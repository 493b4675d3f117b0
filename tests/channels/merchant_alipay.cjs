// A merchant with Alipay's own SDK, at the simulated gateway: argv[2] is its address, argv[3] the folder of keys.
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const { AlipaySdk } = require(path.join(process.env.TOLLGATE_JUDGES, 'node_modules/alipay-sdk'));
const [gateway, folder] = process.argv.slice(2);
const read = (name) => fs.readFileSync(path.join(folder, name), 'utf8');
// In certificate mode when the folder has certificates.
const certified = fs.existsSync(path.join(folder, 'app.crt'));
const certificates = certified && {
  appCertContent: read('app.crt'), alipayRootCertContent: read('root.crt'), alipayPublicCertContent: read('alipay.crt'),
};
const sdk = (privateKey, alipayPublicKey) => new AlipaySdk({
  appId: '2021000000000001', privateKey: read(privateKey), alipayPublicKey: read(alipayPublicKey), gateway, keyType: 'PKCS8',
  ...certificates,
});
const order = '0'.repeat(31) + '1';
const back = '0'.repeat(31) + '2';

async function main() {
  const told = [];
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => { body += chunk; });
    request.on('end', () => {
      told.push(Object.fromEntries(new URLSearchParams(body)));
      response.end('success');
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const notifyUrl = `http://127.0.0.1:${server.address().port}/told?by=alipay`;
  const ours = sdk('merchant.pem', 'wallet.pub.pem');
  const exec = (method, bizContent, more = {}) => ours.exec(method, { bizContent, ...more }, { validateSign: true });

  const placed = await exec('alipay.trade.precreate', { out_trade_no: order, total_amount: '12.34', subject: '鞋 & "50%"' }, { notifyUrl });
  assert.equal(placed.code, '10000');
  assert.match(placed.qrCode, /^https:\/\/qr\.alipay\.com\//);
  const pay = await fetch(`${new URL(gateway).origin}/simulate/${order}/pay`, { method: 'POST' });
  assert.equal(pay.status, 200);
  const state = await exec('alipay.trade.query', { out_trade_no: order });
  assert.equal(state.tradeStatus, 'TRADE_SUCCESS');
  assert.equal(state.totalAmount, '12.34');
  const refund = await exec('alipay.trade.refund', { out_trade_no: order, out_request_no: back, refund_amount: '2.00' });
  assert.equal(refund.fundChange, 'Y');
  const refunded = await exec('alipay.trade.fastpay.refund.query', { out_trade_no: order, out_request_no: back });
  assert.equal(refunded.refundStatus, 'REFUND_SUCCESS');
  const nothing = await exec('alipay.trade.query', { out_trade_no: back });
  assert.equal(nothing.subCode, 'ACQ.TRADE_NOT_EXIST');

  while (told.length < 2) await new Promise((done) => setTimeout(done, 10));
  for (const fields of told) {
    // The first version decodes what is decoded already, and stumbles over a title with a percent sign.
    assert.equal(ours.checkNotifySignV2(fields), true);
    assert.equal(ours.checkNotifySignV2({ ...fields, total_amount: '0.01' }), false);
  }

  // Signed with another key, the request is refused; answered with another key, the SDK refuses the answer.
  const stranger = sdk('wallet.pem', 'wallet.pub.pem');
  const refused = await stranger.exec('alipay.trade.query', { bizContent: { out_trade_no: order } });
  assert.equal(refused.subCode, 'isv.invalid-signature');
  if (!certified) {
    const fooled = sdk('merchant.pem', 'merchant.pub.pem');
    await assert.rejects(fooled.exec('alipay.trade.query', { bizContent: { out_trade_no: order } }, { validateSign: true }));
  }
  server.close();
  console.log('ok');
  process.exit(0);
}

main().catch((error) => { console.error(error); process.exit(1); });
