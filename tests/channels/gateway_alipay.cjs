// Alipay, played by its own SDK: a request's signature has to be the one that the SDK makes of the same fields.
// Keys: argv[2] is the merchant's private key, argv[3] Alipay's. The QR code says what was found.
const http = require('node:http');
const fs = require('node:fs');
const path = require('node:path');

const judges = process.env.TOLLGATE_JUDGES;
const sdk = require(path.join(judges, 'node_modules/alipay-sdk/dist/commonjs/util.js'));
const merchantKey = fs.readFileSync(process.argv[2], 'utf8');
const alipayKey = fs.readFileSync(process.argv[3], 'utf8');

function signature(fields) {
  const { method, app_id, charset, version, sign_type, sign, biz_content, ...rest } = fields;
  const config = { appId: app_id, charset, version, signType: sign_type, privateKey: merchantKey };
  return sdk.sign(method, { ...rest, bizContent: JSON.parse(biz_content) }, config).sign;
}

http.createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => { body += chunk; });
  request.on('end', () => {
    const fields = Object.fromEntries(new URLSearchParams(body));
    const content = JSON.parse(fields.biz_content);
    const right = signature(fields) === fields.sign;
    const wrong = signature({ ...fields, app_id: `${fields.app_id}1` }) === fields.sign;
    const object = JSON.stringify({
      code: '10000', msg: 'Success', out_trade_no: content.out_trade_no, qr_code: `${right},${wrong}`,
      trade_status: 'TRADE_SUCCESS', total_amount: '12.34', subject: '鞋 \u{1F45F} "}',
    });
    const name = `${fields.method.replaceAll('.', '_')}_response`;
    const sign = sdk.signatureV3(object, alipayKey);
    const said = `{"${name}":${object},"sign":"${sign}"}`;
    // Money that was not signed for.
    response.end(content.out_trade_no.startsWith('ff') ? said.replace('12.34', '1.00') : said);
  });
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
