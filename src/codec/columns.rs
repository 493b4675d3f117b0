//! One row of a record batch becomes one payment.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, BooleanArray, LargeStringArray, PrimitiveArray, RecordBatch, StringArray, StringViewArray,
};
use arrow_schema::{DataType, SchemaRef, TimeUnit};

use super::json::{self, items_of};
use super::names::{Names, Target, Unknown, What, require, what};
use super::row::{Row, wrong};
use super::{RowError, Settings, shown, unreadable};
use crate::error::Error;
use crate::payment::Payment;
use crate::schema::{Kind, Schema};
use crate::time::Timestamp;

/// What is read from each column of a file.
#[derive(Debug)]
pub(super) struct ColumnPlan {
    columns: Vec<PlanColumn>,
    pub unknown: Vec<String>,
}

#[derive(Debug)]
struct PlanColumn {
    /// Free of card numbers.
    name: String,
    /// Its place in the batches.
    index: usize,
    what: What,
}

impl ColumnPlan {
    /// The plan, or what is wrong with the whole file.
    pub fn of(
        path: &str,
        found: &SchemaRef,
        schema: &Schema,
        settings: &Settings,
    ) -> Result<ColumnPlan, Error> {
        let mut plan = ColumnPlan { columns: Vec::new(), unknown: Vec::new() };
        if found.fields().len() > settings.fields_max {
            return Err(unreadable(path, format!("it has more than {} columns", settings.fields_max)));
        }
        for (index, column) in found.fields().iter().enumerate() {
            let name = shown(column.name());
            if found.fields().iter().take(index).any(|other| other.name() == column.name()) {
                return Err(unreadable(path, format!("it has two columns `{name}`")));
            }
            let what = match what(schema, column.name()) {
                None if settings.strict => {
                    return Err(unreadable(path, json::stranger(schema, &name).to_string()));
                }
                None => {
                    plan.unknown.push(name);
                    continue;
                }
                Some(What::Ignored) => continue,
                Some(what) => what,
            };
            let misfit = match &what {
                What::Fields(targets) => targets
                    .iter()
                    .find(|t| !fits(column.data_type(), t))
                    .map(|t| format!("`{}`, which is {}", schema.field(t.id).name, t.kind)),
                _ => (!is_text(column.data_type())).then(|| "`items`, which is JSON text".to_owned()),
            };
            if let Some(misfit) = misfit {
                return Err(unreadable(
                    path,
                    format!(
                        "column `{name}` is {}, which can't become {misfit}; map another column onto it in schema.toml, or list `{name}` under `ignore`",
                        column.data_type()
                    ),
                ));
            }
            plan.columns.push(PlanColumn { name, index, what });
        }
        let fills = |id| {
            plan.columns.iter().any(|c| matches!(&c.what, What::Fields(ts) if ts.iter().any(|t| t.id == id)))
        };
        require(schema, fills, found.fields().iter().map(|f| shown(f.name())))
            .map_err(|reason| unreadable(path, reason))?;
        Ok(plan)
    }

    /// The columns that are read.
    pub fn used(&self) -> impl Iterator<Item = usize> + '_ {
        self.columns.iter().map(|c| c.index)
    }

    /// From now on, batches have only the columns that are read.
    pub fn project(&mut self) {
        for (place, column) in self.columns.iter_mut().enumerate() {
            column.index = place;
        }
    }
}

fn is_text(found: &DataType) -> bool {
    match found {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => matches!(**values, DataType::Utf8 | DataType::LargeUtf8),
        _ => false,
    }
}

/// Whether any value of a column can be the field's.
fn fits(found: &DataType, target: &Target) -> bool {
    let kind = target.kind;
    // A column with a table of values goes by the text of its values.
    let mapped = !target.values.is_empty();
    match found {
        other if is_text(other) => true,
        other if other.is_integer() || other.is_floating() && *other != DataType::Float16 => {
            mapped || !matches!(kind, Kind::Country | Kind::Ip)
        }
        DataType::Boolean => mapped || kind == Kind::Bool,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            matches!(kind, Kind::Timestamp | Kind::Text | Kind::Token)
        }
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => {
            matches!(kind, Kind::Money | Kind::Number)
        }
        _ => false,
    }
}

/// A column of one batch.
enum Cells<'a> {
    Text(&'a StringArray),
    LargeText(&'a LargeStringArray),
    TextView(&'a StringViewArray),
    Dictionary(Vec<usize>, Box<Cells<'a>>),
    Int8(&'a PrimitiveArray<Int8Type>),
    Int16(&'a PrimitiveArray<Int16Type>),
    Int32(&'a PrimitiveArray<Int32Type>),
    Int64(&'a PrimitiveArray<Int64Type>),
    UInt8(&'a PrimitiveArray<UInt8Type>),
    UInt16(&'a PrimitiveArray<UInt16Type>),
    UInt32(&'a PrimitiveArray<UInt32Type>),
    UInt64(&'a PrimitiveArray<UInt64Type>),
    Float32(&'a PrimitiveArray<Float32Type>),
    Float64(&'a PrimitiveArray<Float64Type>),
    Bool(&'a BooleanArray),
    Seconds(&'a PrimitiveArray<TimestampSecondType>),
    Millis(&'a PrimitiveArray<TimestampMillisecondType>),
    Micros(&'a PrimitiveArray<TimestampMicrosecondType>),
    Nanos(&'a PrimitiveArray<TimestampNanosecondType>),
    Days(&'a PrimitiveArray<Date32Type>),
    DayMillis(&'a PrimitiveArray<Date64Type>),
    Decimal32(&'a PrimitiveArray<Decimal32Type>, i8),
    Decimal64(&'a PrimitiveArray<Decimal64Type>, i8),
    Decimal128(&'a PrimitiveArray<Decimal128Type>, i8),
    Nothing,
}

impl<'a> Cells<'a> {
    fn of(array: &'a dyn Array) -> Cells<'a> {
        match array.data_type() {
            DataType::Utf8 => Cells::Text(array.as_string()),
            DataType::LargeUtf8 => Cells::LargeText(array.as_string()),
            DataType::Utf8View => Cells::TextView(array.as_string_view()),
            DataType::Dictionary(..) => match array.as_any_dictionary_opt() {
                Some(dictionary) if !dictionary.values().is_empty() => Cells::Dictionary(
                    dictionary.normalized_keys(),
                    Box::new(Cells::of(dictionary.values().as_ref())),
                ),
                _ => Cells::Nothing,
            },
            DataType::Int8 => Cells::Int8(array.as_primitive()),
            DataType::Int16 => Cells::Int16(array.as_primitive()),
            DataType::Int32 => Cells::Int32(array.as_primitive()),
            DataType::Int64 => Cells::Int64(array.as_primitive()),
            DataType::UInt8 => Cells::UInt8(array.as_primitive()),
            DataType::UInt16 => Cells::UInt16(array.as_primitive()),
            DataType::UInt32 => Cells::UInt32(array.as_primitive()),
            DataType::UInt64 => Cells::UInt64(array.as_primitive()),
            DataType::Float32 => Cells::Float32(array.as_primitive()),
            DataType::Float64 => Cells::Float64(array.as_primitive()),
            DataType::Boolean => Cells::Bool(array.as_boolean()),
            DataType::Timestamp(TimeUnit::Second, _) => Cells::Seconds(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Millisecond, _) => Cells::Millis(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Cells::Micros(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => Cells::Nanos(array.as_primitive()),
            DataType::Date32 => Cells::Days(array.as_primitive()),
            DataType::Date64 => Cells::DayMillis(array.as_primitive()),
            DataType::Decimal32(_, scale) => Cells::Decimal32(array.as_primitive(), *scale),
            DataType::Decimal64(_, scale) => Cells::Decimal64(array.as_primitive(), *scale),
            DataType::Decimal128(_, scale) => Cells::Decimal128(array.as_primitive(), *scale),
            _ => Cells::Nothing,
        }
    }

    /// The text in a row of a text column; `""` in any other.
    fn text(&self, row: usize) -> &'a str {
        match self {
            Cells::Text(a) => a.value(row),
            Cells::LargeText(a) => a.value(row),
            Cells::TextView(a) => a.value(row),
            Cells::Dictionary(keys, values) => keys.get(row).map_or("", |key| values.text(*key)),
            _ => "",
        }
    }
}

/// What one row is written into.
pub(super) struct Into<'a> {
    pub payment: &'a mut Payment,
    pub row: &'a mut Row,
    pub json: &'a mut json::Scratch,
    pub unknown: &'a mut Unknown,
}

/// What the rows of one batch are read with.
pub(super) struct Rows<'a> {
    schema: &'a Schema,
    settings: &'a Settings,
    names: &'a Names,
    columns: Vec<(&'a PlanColumn, &'a dyn Array, Cells<'a>)>,
}

impl<'a> Rows<'a> {
    pub fn of(
        schema: &'a Schema,
        settings: &'a Settings,
        names: &'a Names,
        plan: &'a ColumnPlan,
        batch: &'a RecordBatch,
    ) -> Rows<'a> {
        let columns = plan.columns.iter().filter_map(|column| {
            let array = batch.columns().get(column.index)?.as_ref();
            Some((column, array, Cells::of(array)))
        });
        Rows { schema, settings, names, columns: columns.collect() }
    }

    /// Reads row `row` of the batch into a payment.
    pub fn payment(&self, row: usize, into: Into<'_>) -> Result<(), Box<RowError>> {
        into.payment.clear();
        into.row.start();
        for (column, array, cells) in &self.columns {
            if array.is_null(row) {
                continue;
            }
            let done = match &column.what {
                What::Ignored => Ok(()),
                What::Fields(targets) => {
                    targets.iter().try_for_each(|t| self.cell(cells, row, t, into.row, into.payment))
                }
                What::Items if cells.text(row).is_empty() => Ok(()),
                What::Items => {
                    let cx = json::Context {
                        schema: self.schema,
                        names: self.names,
                        settings: self.settings,
                        partial: false,
                    };
                    let (payment, out) = (&mut *into.payment, &mut *into.row);
                    let (scratch, unknown) = (&mut *into.json, &mut *into.unknown);
                    items_of(&cx, cells.text(row), json::Into { payment, row: out, scratch, unknown })
                }
            };
            done.map_err(|mut e| {
                e.field = Some(column.name.clone());
                e.column = None;
                e
            })?;
        }
        into.row.finish(self.schema, into.payment)
    }

    fn cell(
        &self,
        cells: &Cells<'_>,
        row: usize,
        target: &Target,
        out: &mut Row,
        payment: &mut Payment,
    ) -> Result<(), Box<RowError>> {
        let schema = self.schema;
        let mut integer = |n: i64| out.integer(schema, payment, target, n);
        match cells {
            Cells::Nothing => Ok(()),
            Cells::Text(_) | Cells::LargeText(_) | Cells::TextView(_) | Cells::Dictionary(..) => {
                out.text(schema, payment, target, cells.text(row))
            }
            Cells::Int8(a) => integer(a.value(row).into()),
            Cells::Int16(a) => integer(a.value(row).into()),
            Cells::Int32(a) => integer(a.value(row).into()),
            Cells::Int64(a) => integer(a.value(row)),
            Cells::UInt8(a) => integer(a.value(row).into()),
            Cells::UInt16(a) => integer(a.value(row).into()),
            Cells::UInt32(a) => integer(a.value(row).into()),
            Cells::UInt64(a) => match i64::try_from(a.value(row)) {
                Ok(n) => integer(n),
                Err(_) => out.text(schema, payment, target, itoa::Buffer::new().format(a.value(row))),
            },
            // The shortest decimal that reads back as this float is what was meant.
            Cells::Float32(a) if target.kind == Kind::Money && a.value(row).is_finite() => {
                out.text(schema, payment, target, zmij::Buffer::new().format(a.value(row)))
            }
            Cells::Float32(a) => out.float(schema, payment, target, a.value(row).into()),
            Cells::Float64(a) => out.float(schema, payment, target, a.value(row)),
            Cells::Bool(a) => out.bool(schema, payment, target, a.value(row)),
            Cells::Seconds(a) => self.instant(a.value(row).checked_mul(1_000_000), target, out, payment),
            Cells::Millis(a) => self.instant(a.value(row).checked_mul(1_000), target, out, payment),
            Cells::Micros(a) => self.instant(Some(a.value(row)), target, out, payment),
            Cells::Nanos(a) => self.instant(Some(a.value(row).div_euclid(1_000)), target, out, payment),
            Cells::Days(a) => {
                self.instant(Some(i64::from(a.value(row)) * 86_400_000_000), target, out, payment)
            }
            Cells::DayMillis(a) => self.instant(a.value(row).checked_mul(1_000), target, out, payment),
            Cells::Decimal32(a, scale) => self.decimal(a.value(row).into(), *scale, target, out, payment),
            Cells::Decimal64(a, scale) => self.decimal(a.value(row).into(), *scale, target, out, payment),
            Cells::Decimal128(a, scale) => self.decimal(a.value(row), *scale, target, out, payment),
        }
    }

    fn instant(
        &self,
        micros: Option<i64>,
        target: &Target,
        out: &mut Row,
        payment: &mut Payment,
    ) -> Result<(), Box<RowError>> {
        out.instant(self.schema, payment, target, micros.and_then(Timestamp::from_micros))
    }

    /// A decimal goes by its text, which is exact.
    fn decimal(
        &self,
        value: i128,
        scale: i8,
        target: &Target,
        out: &mut Row,
        payment: &mut Payment,
    ) -> Result<(), Box<RowError>> {
        let places = usize::from(scale.unsigned_abs());
        let mut digits = value.unsigned_abs().to_string();
        if places > 80 {
            return Err(wrong(format!("a decimal of scale {scale} is no amount")));
        }
        if scale < 0 {
            digits.extend(std::iter::repeat_n('0', places));
        } else if places > 0 {
            let missing = (places + 1).saturating_sub(digits.len());
            digits.insert_str(0, &"0".repeat(missing));
            digits.insert(digits.len() - places, '.');
        }
        if value < 0 {
            digits.insert(0, '-');
        }
        out.text(self.schema, payment, target, &digits)
    }
}
