//! The shop: ten customers check out, and what becomes of it is told as it happens.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::ask;
use super::stage::Stage;
use crate::cli::print;
use crate::error::Error;

const VISA: &str = "4111 1111 1111 1111";
const MASTERCARD: &str = "5555 5555 5555 4444";
/// The bank has no money for this one.
const EMPTY: &str = "4000 0000 0000 9995";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The merchant.
pub(super) struct Shop<'a> {
    stage: &'a mut Stage,
    orders: u32,
    payments: Vec<String>,
}

/// What one customer does.
type Told<'a> = fn(&mut Shop<'a>) -> Result<Journey, Error>;

/// One payment, and where it has been.
struct Journey {
    what: &'static str,
    steps: Vec<String>,
    payment: Value,
}

impl Journey {
    fn to(&mut self, payment: Value, how: &str) {
        let state = payment["state"].as_str().or(payment["code"].as_str()).unwrap_or("?");
        self.steps.push(if how.is_empty() { state.to_owned() } else { format!("{how}: {state}") });
        if payment["id"].is_string() {
            self.payment = payment;
        }
    }

    fn id(&self) -> &str {
        self.payment["id"].as_str().unwrap_or_default()
    }
}

impl<'a> Shop<'a> {
    pub(super) fn new(stage: &'a mut Stage) -> Shop<'a> {
        Shop { stage, orders: 0, payments: Vec::new() }
    }

    /// Ten journeys; whether the books agree at the end.
    pub(super) fn open(mut self) -> Result<bool, Error> {
        let journeys: [Told<'a>; 10] = [
            Shop::plain,
            Shop::declined_by_the_bank,
            Shop::challenged,
            Shop::reviewed,
            Shop::declined_by_rules,
            Shop::hung_up,
            Shop::disputed,
            |shop| shop.scanned("alipay", 1),
            |shop| shop.scanned("wechatpay", 2),
            Shop::killed,
        ];
        for (number, journey) in (1..).zip(journeys) {
            let journey = journey(&mut self)?;
            let (method, amount) = (journey.payment["method"].as_str(), journey.payment["amount"].as_str());
            print(format_args!(
                "{number:>2}  {:<9}  {:>10}  {}\n    {}",
                method.unwrap_or_default(),
                amount.unwrap_or_default(),
                journey.what,
                journey.steps.join(" -> ")
            ))?;
            self.payments.push(journey.id().to_owned());
        }
        self.compare()
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        ask(self.stage.gateway(), "POST", path, None, &body.to_string()).map(|(_, answer)| answer)
    }

    fn get(&self, id: &str) -> Result<Value, Error> {
        ask(self.stage.gateway(), "GET", &format!("/v1/payments/{id}"), None, "").map(|(_, answer)| answer)
    }

    fn on(&self, journey: &Journey, what: &str, body: &Value) -> Result<Value, Error> {
        self.post(&format!("/v1/payments/{}/{what}", journey.id()), body)
    }

    /// Creates an order.
    fn order(&mut self, amount: &str) -> Result<String, Error> {
        self.orders += 1;
        let id = format!("order-{}", self.orders);
        self.post("/v1/orders", &json!({ "id": id, "amount": amount }))?;
        Ok(id)
    }

    fn card(order: &str, attempt: u32, number: &str, device: &str) -> Value {
        json!({
            "order": order, "attempt": attempt, "method": "card", "phone": "+4915112345678",
            "card": { "number": number, "expiry": "09/28", "cvv": "123" },
            "facts": { "device_os": device, "ip": "203.0.113.7", "email": "ann@example.org" },
        })
    }

    /// Checks out by card.
    fn buy(
        &mut self,
        what: &'static str,
        amount: &str,
        number: &str,
        device: &str,
    ) -> Result<(Journey, String), Error> {
        let order = self.order(amount)?;
        let mut journey = Journey { what, steps: Vec::new(), payment: Value::Null };
        let paid = self.post("/v1/payments", &Shop::card(&order, 1, number, device))?;
        journey.to(paid, "");
        Ok((journey, order))
    }

    /// Waits until the payment is in a state, or as long as anybody would.
    fn until(&self, journey: &mut Journey, state: &str, how: &str) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            let now = self.get(journey.id())?;
            if now["state"] == state || started.elapsed() > PATIENCE {
                journey.to(now, how);
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn plain(&mut self) -> Result<Journey, Error> {
        self.buy("approved, authorized and captured", "19.99 EUR", VISA, "known-phone")
            .map(|(journey, _)| journey)
    }

    fn declined_by_the_bank(&mut self) -> Result<Journey, Error> {
        let (mut journey, order) = self.buy(
            "the bank says no; the second attempt is by another card",
            "35.00 EUR",
            EMPTY,
            "known-phone",
        )?;
        let again = self.post("/v1/payments", &Shop::card(&order, 2, MASTERCARD, "known-phone"))?;
        self.payments.push(journey.id().to_owned());
        journey.to(again, "another card");
        Ok(journey)
    }

    fn challenged(&mut self) -> Result<Journey, Error> {
        let (mut journey, _) =
            self.buy("a new phone: a code is sent, mistyped, and typed", "240.00 EUR", VISA, "new-phone")?;
        let code = self.stage.code()?;
        let wrong = if code == "000000" { "000001" } else { "000000" };
        for (typed, how) in [(wrong, "wrong code"), (code.as_str(), "right code")] {
            let answer = self.on(&journey, "challenge", &json!({ "code": typed }))?;
            journey.to(answer, how);
        }
        Ok(journey)
    }

    fn reviewed(&mut self) -> Result<Journey, Error> {
        let (mut journey, _) =
            self.buy("authorized, held, looked at and captured", "899.00 EUR", MASTERCARD, "odd-phone")?;
        let answer = self.on(&journey, "review", &json!({ "decision": "approve" }))?;
        journey.to(answer, "somebody looks");
        Ok(journey)
    }

    fn declined_by_rules(&mut self) -> Result<Journey, Error> {
        let what = "a rule says no, and no institution hears of it";
        self.buy(what, "1200.00 EUR", VISA, "stolen-phone").map(|(journey, _)| journey)
    }

    fn hung_up(&mut self) -> Result<Journey, Error> {
        let (mut journey, _) = self.buy(
            "the bank does it and hangs up: unknown, and so undone",
            "92.06 EUR",
            VISA,
            "known-phone",
        )?;
        self.until(&mut journey, "declined", "reversed")?;
        Ok(journey)
    }

    fn disputed(&mut self) -> Result<Journey, Error> {
        let (mut journey, _) = self.buy(
            "a part refunded, the rest disputed as fraud, and lost",
            "80.00 EUR",
            VISA,
            "known-phone",
        )?;
        let refund = self.on(&journey, "refunds", &json!({ "id": "r1", "amount": "30.00 EUR" }))?;
        journey.to(refund, "");
        let reason = json!({ "scheme": "visa", "code": "10.4" });
        let opened =
            self.on(&journey, "disputes", &json!({ "id": "d1", "event": "opened", "reason": reason }))?;
        journey.to(opened, "");
        let lost = self.on(&journey, "disputes", &json!({ "id": "d1", "event": "lost" }))?;
        journey.to(lost, "");
        Ok(journey)
    }

    fn scanned(&mut self, method: &'static str, place: usize) -> Result<Journey, Error> {
        let order = self.order("128.00 CNY")?;
        let what = "a code is scanned, the wallet calls back, a part is refunded";
        let mut journey = Journey { what, steps: Vec::new(), payment: Value::Null };
        let asked = self.post("/v1/payments", &json!({ "order": order, "method": method }))?;
        let url = asked["pay_url"].as_str().unwrap_or_default().to_owned();
        journey.to(asked, "");
        let hex = |run: &&str| run.len() == 32 && run.bytes().all(|b| b.is_ascii_hexdigit());
        let key = url.split(|c: char| !c.is_ascii_alphanumeric()).find(hex).unwrap_or_default();
        if let Some(wallet) = self.stage.all.get(place) {
            ask(&wallet.address, "POST", &format!("/simulate/{key}/pay"), None, "")?;
        }
        self.until(&mut journey, "captured", "paid")?;
        let refund = self.on(&journey, "refunds", &json!({ "id": "r1", "amount": "28.00 CNY" }))?;
        journey.to(refund, "");
        Ok(journey)
    }

    fn killed(&mut self) -> Result<Journey, Error> {
        let order = self.order("50.00 EUR")?;
        let what = "the gateway is killed after its answer; the same request gets the same answer";
        let mut journey = Journey { what, steps: Vec::new(), payment: Value::Null };
        let body = Shop::card(&order, 1, MASTERCARD, "known-phone").to_string();
        let send = |stage: &Stage| ask(stage.gateway(), "POST", "/v1/payments", Some("checkout-10"), &body);
        let (_, first) = send(self.stage)?;
        journey.to(first.clone(), "");
        self.stage.kill_gateway()?;
        let (_, second) = send(self.stage)?;
        let how =
            if first == second { "killed, asked again, the same" } else { "killed, asked again, another" };
        journey.to(second, how);
        Ok(journey)
    }

    /// The institutions' books beside the gateway's.
    fn compare(&self) -> Result<bool, Error> {
        let mut agreed = true;
        print("")?;
        for (institution, method) in self.stage.all.iter().zip(["card", "alipay", "wechatpay"]) {
            let mut ours = (0, 0);
            for id in &self.payments {
                let payment = self.get(id)?;
                if payment["method"] == method {
                    ours.0 += minor(&payment["captured"]);
                    ours.1 += minor(&payment["refunded"]);
                }
            }
            let theirs = institution.books();
            agreed &= ours == theirs;
            print(format_args!(
                "{method:<9}  captured {:>7} of ours, {:>7} of theirs; refunded {:>6}, {:>6}{}",
                ours.0,
                theirs.0,
                ours.1,
                theirs.1,
                if ours == theirs { "" } else { "   THEY DIFFER" }
            ))?;
        }
        print(if agreed { "The books agree, to the cent." } else { "The books differ." })?;
        Ok(agreed)
    }
}

/// `12.34 EUR` in hundredths.
fn minor(amount: &Value) -> i64 {
    let digits: String = amount.as_str().unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}
