// Writes certificates.json: certificates that are for nothing else, and what Alipay's own SDK calls them. Run by hand.
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { getSN } = require(path.join(process.env.TOLLGATE_JUDGES, 'node_modules/alipay-sdk/dist/commonjs/antcertutil.js'));
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'certificates-'));
const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
const read = (name) => fs.readFileSync(path.join(folder, name), 'utf8');
const days = ['-days', '36500'];

// Roots: two of RSA and one that is not, as in Alipay's own file.
const root = (name, kind, subject, serial) => {
  openssl('req', '-x509', '-newkey', ...kind, '-nodes', '-keyout', `${name}.key`, '-out', `${name}.crt`, ...days,
    '-utf8', '-subj', subject, '-set_serial', serial);
};
root('r1', ['rsa:2048'], '/C=CN/O=Example Financial/OU=Certification Authority/CN=Example Financial Certification Authority R1', '0x1234567890abcdef1234567890abcdef');
root('e1', ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'], '/C=CN/O=Example Financial/CN=Example EC Root', '7');
root('r2', ['rsa:2048'], '/C=CN/ST=浙江/L=杭州/O=Example, Inc./OU=A+B/CN=Example "R2"/emailAddress=ca@example.org', '1');
const leaf = (name, issuer, serial) => {
  openssl('req', '-new', '-newkey', 'rsa:2048', '-nodes', '-utf8', '-keyout', `${name}.key`, '-out', `${name}.csr`,
    '-subj', `/C=CN/O=Merchant/CN=2021000000000001-${name}`);
  openssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${issuer}.crt`, '-CAkey', `${issuer}.key`, '-set_serial', serial,
    ...days, '-out', `${name}.crt`);
};
leaf('app', 'r1', '0x20260101000000000000000000000001');
leaf('alipay', 'r2', '0xffffffffffffffffffffffffffffff');

const roots = ['r1', 'e1', 'r2'].map((name) => read(`${name}.crt`)).join('');
// The chain stands behind the application's own.
const app = read('app.crt') + read('r1.crt');
fs.writeFileSync(path.join(__dirname, 'certificates.json'), `${JSON.stringify({
  made_by: 'openssl, named by alipay-sdk 4.14.0',
  app, app_key: read('app.key'), root: roots, alipay: read('alipay.crt'), alipay_key: read('alipay.key'),
  names: { app: getSN(app), root: getSN(roots, true), alipay: getSN(read('alipay.crt')) },
}, null, 1)}\n`);
fs.rmSync(folder, { recursive: true });
