//! Sheets as Arrow record batches, saved as Parquet or as an Arrow IPC stream.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder, ListBuilder,
    StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::Format;
use super::sheet::{Cell, CellKind, Layout};

/// Digits and decimals of an amount's column: [`crate::AMOUNT_MINOR_MAX`] in a currency without
/// decimals, and the four decimals of CLF.
const MONEY: (u8, i8) = (20, 4);
const UTC: &str = "UTC";

fn schema(layout: &Layout) -> Schema {
    let field = |column: &super::TableColumn| {
        let kind = match column.kind {
            CellKind::Text | CellKind::Json => DataType::Utf8,
            CellKind::Integer => DataType::Int64,
            CellKind::Float => DataType::Float64,
            CellKind::Bool => DataType::Boolean,
            CellKind::TextList => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
            CellKind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            CellKind::Money => DataType::Decimal128(MONEY.0, MONEY.1),
        };
        Field::new(column.name.clone(), kind, true)
    };
    Schema::new(layout.columns.iter().map(field).collect::<Vec<_>>())
}

/// A batch that is growing.
pub(super) struct Columns {
    schema: Arc<Schema>,
    builders: Vec<Builder>,
}

enum Builder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    List(ListBuilder<StringBuilder>),
    Timestamp(TimestampMicrosecondBuilder),
    Money(Decimal128Builder),
}

impl Columns {
    pub fn new(layout: &Layout) -> Columns {
        let schema = Arc::new(schema(layout));
        let builder = |(column, field): (&super::TableColumn, &Arc<Field>)| match column.kind {
            CellKind::Text | CellKind::Json => Builder::Text(StringBuilder::new()),
            CellKind::Integer => Builder::Integer(Int64Builder::new()),
            CellKind::Float => Builder::Float(Float64Builder::new()),
            CellKind::Bool => Builder::Bool(BooleanBuilder::new()),
            CellKind::TextList => Builder::List(ListBuilder::new(StringBuilder::new())),
            CellKind::Timestamp => Builder::Timestamp(
                TimestampMicrosecondBuilder::new().with_data_type(field.data_type().clone()),
            ),
            CellKind::Money => {
                Builder::Money(Decimal128Builder::new().with_data_type(field.data_type().clone()))
            }
        };
        let builders = layout.columns.iter().zip(schema.fields()).map(builder).collect();
        Columns { schema, builders }
    }

    /// Adds a cell, which fits its column.
    pub fn put(&mut self, column: usize, cell: Cell<'_>) {
        let Some(builder) = self.builders.get_mut(column) else { return };
        match (builder, cell) {
            (Builder::Text(b), Cell::Text(text) | Cell::Json(text)) => b.append_value(text),
            (Builder::Text(b), _) => b.append_null(),
            (Builder::Integer(b), Cell::Integer(number)) => b.append_value(number),
            (Builder::Integer(b), _) => b.append_null(),
            (Builder::Float(b), Cell::Float(number)) => b.append_value(number),
            (Builder::Float(b), _) => b.append_null(),
            (Builder::Bool(b), Cell::Bool(truth)) => b.append_value(truth),
            (Builder::Bool(b), _) => b.append_null(),
            (Builder::List(b), Cell::List(texts)) => {
                texts.iter().for_each(|text| b.values().append_value(text));
                b.append(true);
            }
            (Builder::List(b), _) => b.append(false),
            (Builder::Timestamp(b), Cell::Timestamp(at)) => b.append_value(at.micros()),
            (Builder::Timestamp(b), _) => b.append_null(),
            (Builder::Money(b), Cell::Money(money)) => {
                let places = (MONEY.1 as u32).saturating_sub(money.currency.exponent());
                b.append_value(i128::from(money.minor) * 10i128.pow(places));
            }
            (Builder::Money(b), _) => b.append_null(),
        }
    }

    fn batch(&mut self) -> Result<RecordBatch, String> {
        let finish = |builder: &mut Builder| -> ArrayRef {
            match builder {
                Builder::Text(b) => ArrayBuilder::finish(b),
                Builder::Integer(b) => ArrayBuilder::finish(b),
                Builder::Float(b) => ArrayBuilder::finish(b),
                Builder::Bool(b) => ArrayBuilder::finish(b),
                Builder::List(b) => ArrayBuilder::finish(b),
                Builder::Timestamp(b) => ArrayBuilder::finish(b),
                Builder::Money(b) => ArrayBuilder::finish(b),
            }
        };
        let arrays = self.builders.iter_mut().map(finish).collect();
        RecordBatch::try_new(self.schema.clone(), arrays).map_err(|e| e.to_string())
    }
}

type Sink = Box<dyn Write + Send>;

/// Where batches go.
pub(super) enum Saver {
    Parquet(ArrowWriter<Sink>),
    Arrow(StreamWriter<std::io::BufWriter<Sink>>),
}

impl Saver {
    pub fn new(sink: Sink, layout: &Layout) -> Result<Saver, String> {
        let schema = schema(layout);
        if layout.format == Format::Parquet {
            let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
            let writer = ArrowWriter::try_new(sink, Arc::new(schema), Some(properties));
            return writer.map(Saver::Parquet).map_err(|e| e.to_string());
        }
        StreamWriter::try_new_buffered(sink, &schema).map(Saver::Arrow).map_err(|e| e.to_string())
    }

    pub fn save(&mut self, columns: &mut Columns) -> Result<(), String> {
        let batch = columns.batch()?;
        match self {
            Saver::Parquet(writer) => writer.write(&batch).map_err(|e| e.to_string()),
            Saver::Arrow(writer) => writer.write(&batch).map_err(|e| e.to_string()),
        }
    }

    pub fn finish(self) -> Result<(), String> {
        match self {
            Saver::Parquet(mut writer) => {
                writer.finish().map_err(|e| e.to_string())?;
                writer.inner_mut().flush().map_err(|e| e.to_string())
            }
            Saver::Arrow(mut writer) => {
                writer.finish().map_err(|e| e.to_string())?;
                writer.flush().map_err(|e| e.to_string())
            }
        }
    }
}
