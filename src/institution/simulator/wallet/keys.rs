//! With which keys do merchant and simulated wallet prove themselves to one another?

use std::fs;
use std::io::Write;
use std::path::Path;

use zeroize::Zeroizing;

use crate::channel::{AlipayCertificates, SigningKey, VerifyingKey};
use crate::error::Error;

/// Random bytes of an APIv3 key; twice as many characters.
const API_KEY_BYTES: usize = 16;

/// What a simulated wallet proves itself with, and what it knows merchants by.
///
/// ```
/// use tollgate::institution::simulator::WalletKeys;
/// let folder = std::env::temp_dir().join(format!("tollgate-keys-{}", std::process::id()));
/// WalletKeys::open(&folder)?; // makes the keys of both sides,
/// WalletKeys::open(&folder)?; // and reads them the next time
/// assert!(folder.join("merchant.pem").exists() && folder.join("wallet.pub.pem").exists());
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), tollgate::Error>(())
/// ```
pub struct WalletKeys {
    pub(super) merchant: VerifyingKey,
    pub(super) wallet: SigningKey,
    pub(super) api_key: Zeroizing<String>,
    /// Alipay's certificate mode, where the folder has certificates.
    pub(super) certificates: Option<AlipayCertificates>,
}

impl std::fmt::Debug for WalletKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WalletKeys")
    }
}

impl WalletKeys {
    /// New ones, of which nobody knows the merchant's.
    pub(in crate::institution::simulator) fn generate() -> Result<WalletKeys, Error> {
        Ok(WalletKeys {
            merchant: SigningKey::generate()?.public(),
            wallet: SigningKey::generate()?,
            api_key: api_key()?,
            certificates: None,
        })
    }

    /// Those of a folder: `merchant.pem` and `wallet.pem`, each with its public half in `.pub.pem`, and `api_key`, the
    /// APIv3 key of WeChat Pay. What is not there is made; so a gateway can be given the merchant's side. With
    /// `app.crt`, `root.crt` and `alipay.crt` of these keys Alipay wants certificates to be named, and names its own.
    ///
    /// # Errors
    /// When a file can't be read or written, or is no key.
    pub fn open(folder: &Path) -> Result<WalletKeys, Error> {
        fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        let pair = |name: &str| -> Result<SigningKey, Error> {
            let path = folder.join(format!("{name}.pem"));
            if !path.exists() {
                let key = SigningKey::generate()?;
                secret(&path, key.to_pem()?.as_bytes())?;
            }
            let key = SigningKey::open(&path)?;
            let public = folder.join(format!("{name}.pub.pem"));
            fs::write(&public, key.public().to_pem()).map_err(|e| Error::io(&public, e))?;
            Ok(key)
        };
        let (merchant, wallet) = (pair("merchant")?.public(), pair("wallet")?);
        let path = folder.join("api_key");
        if !path.exists() {
            secret(&path, api_key()?.as_bytes())?;
        }
        let api_key = Zeroizing::new(fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?);
        let [app, root, alipay] = ["app.crt", "root.crt", "alipay.crt"].map(|name| folder.join(name));
        let certificates = match app.exists() {
            true => Some(AlipayCertificates::open(&app, &root, &[alipay])?),
            false => None,
        };
        Ok(WalletKeys { merchant, wallet, api_key: api_key.trim().to_owned().into(), certificates })
    }
}

fn api_key() -> Result<Zeroizing<String>, Error> {
    let mut bytes = Zeroizing::new([0; API_KEY_BYTES]);
    aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| Error::new("there are no random numbers"))?;
    Ok(format!("{:032x}", u128::from_le_bytes(*bytes)).into())
}

/// Writes a file that others can't read.
fn secret(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).and_then(|mut file| file.write_all(bytes)).map_err(|e| Error::io(path, e))
}
