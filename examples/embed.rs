//! Scores one payment in the caller's own process: `cargo run --release --example embed`.

use tollgate::{Currency, Engine, Money, Payment, Pipeline, Timestamp, Value, field};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::new(Pipeline::shipped()?); // or Engine::open("my-rules")?
    let schema = engine.pipeline().schema().clone();
    let mut payment = Payment::new(&schema);
    payment.set(&schema, field::ID, Value::Token("pay_1"))?;
    payment.set(
        &schema,
        field::AT,
        Value::Timestamp(Timestamp::parse("2026-11-23T03:14:15Z").ok_or("time")?),
    )?;
    let usd = Currency::parse("USD").ok_or("currency")?;
    payment.set(&schema, field::AMOUNT, Value::Money(Money::parse("950.00", usd)?))?;
    payment.set(&schema, field::CHANNEL, Value::Text("card"))?;
    payment.set(&schema, field::EMAIL, Value::Text("x@mailinator.example"))?;
    let decision = engine.score(&payment);
    println!("{}", engine.describe(&payment, &decision).ok_or("swapped")?);
    Ok(())
}
