//! `/v1/lists`: lists are read and edited while payments are scored.

use std::sync::Arc;

use hyper::Response;
use serde::{Deserialize, Serialize};

use super::app::App;
use super::keeper::not_recorded;
use super::log;
use super::problem::{Kind, Problem};
use super::reply::Reply;
use super::score::json;
use crate::list::{Editor, List, ListEdit, ListError, ListItem, ListKind, Lists};
use crate::time::Timestamp;

/// Most items of one answer; `after` asks for the next ones.
const PAGE: usize = 1_000;

/// An item as it is put.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    value: String,
    expires: Option<String>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    source: String,
}

/// What is taken off or looked up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    value: String,
}

#[derive(Serialize)]
struct Names<'a> {
    lists: Vec<Name<'a>>,
}

/// A list, without its items.
#[derive(Serialize)]
struct Name<'a> {
    list: &'a str,
    about: &'a str,
    kind: String,
    total: usize,
}

/// Whether a value is listed, and by which item: a block or range lists many values.
#[derive(Serialize)]
struct Found<'a> {
    list: &'a str,
    listed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Shown>,
}

#[derive(Serialize)]
struct Page<'a> {
    list: &'a str,
    about: &'a str,
    kind: String,
    total: usize,
    items: Vec<Shown>,
    /// Ask for `?after=` this for more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    source: String,
}

impl Name<'_> {
    fn of(list: &List) -> Name<'_> {
        Name { list: list.name(), about: list.about(), kind: list.kind().to_string(), total: list.len() }
    }
}

impl Shown {
    fn of((value, item): (Box<str>, ListItem)) -> Shown {
        Shown {
            value: value.into(),
            expires: item.expires.map(|at| at.to_string()),
            reason: item.reason.to_string(),
            source: item.source.to_string(),
        }
    }
}

/// All lists by name.
pub(super) fn names(app: &App) -> Response<Reply> {
    let pipeline = app.engine().pipeline();
    let lists: Vec<Arc<List>> =
        pipeline.lists().names().filter_map(|name| pipeline.lists().get(name)).collect();
    // Plain data always serialises.
    json(
        serde_json::to_vec(&Names { lists: lists.iter().map(|list| Name::of(list)).collect() })
            .unwrap_or_default(),
    )
}

/// Whether a value, that of a payment's field, is on a list now.
///
/// # Errors
/// When there is no such list, or the value can't be on it.
pub(super) fn lookup(app: &App, name: &str, body: &[u8]) -> Result<Response<Reply>, Problem> {
    let Named { value } = read(body, "{\"value\": \"...\"}")?;
    let list = list(app.engine().pipeline().lists(), name)?;
    let item = list.lookup(value.trim(), log::now()).map_err(|wrong| match wrong {
        ListError::Kind(ListKind::Ip) => {
            Problem::new(Kind::BadItem, "one address is looked up, such as 192.0.2.7")
        }
        ListError::Kind(ListKind::Bin) => {
            Problem::new(Kind::BadItem, "first digits of a card are looked up, such as 411111")
        }
        wrong => Problem::new(Kind::BadItem, wrong.to_string()),
    })?;
    let found = Found { list: list.name(), listed: item.is_some(), item: item.map(Shown::of) };
    // Plain data always serialises.
    Ok(json(serde_json::to_vec(&found).unwrap_or_default()))
}

/// The list of a name.
///
/// # Errors
/// When there is none.
pub(super) fn list(lists: &Lists, name: &str) -> Result<Arc<List>, Problem> {
    lists.get(name).ok_or_else(|| {
        let problem = Problem::new(Kind::NotFound, "the pipeline has no list of this name");
        match lists.nearest(name) {
            Some(near) => problem.remedy(format!("did you mean `{near}`?")),
            None => problem.remedy("lists are files in the folder `lists` of the rules"),
        }
    })
}

/// The items after a value, in ascending order.
///
/// # Errors
/// When there is no such list.
pub(super) fn items(app: &App, name: &str, after: Option<&str>) -> Result<Response<Reply>, Problem> {
    let list = list(app.engine().pipeline().lists(), name)?;
    let mut items: Vec<Shown> = list
        .items()
        .into_iter()
        .filter(|(value, _)| after.is_none_or(|after| **value > *after))
        .take(PAGE + 1)
        .map(Shown::of)
        .collect();
    let more = items.len() > PAGE;
    items.truncate(PAGE);
    let next = items.last().filter(|_| more).map(|item| item.value.clone());
    let kind = list.kind().to_string();
    let page = Page { list: list.name(), about: list.about(), kind, total: list.len(), items, next };
    // Plain data always serialises.
    Ok(json(serde_json::to_vec(&page).unwrap_or_default()))
}

/// Puts an item on a list.
///
/// # Errors
/// When there is no such list, the value can't be on it, or it was not recorded.
pub(super) async fn put(app: &App, name: &str, body: &[u8]) -> Result<Response<Reply>, Problem> {
    let Put { value, expires, reason, source } = read(
        body,
        "{\"value\": \"...\", \"expires\": \"2027-01-01T00:00:00Z\", \"reason\": \"...\", \"source\": \"...\"}",
    )?;
    let expires = match expires {
        None => None,
        Some(text) => Some(Timestamp::parse(&text).ok_or_else(|| {
            Problem::new(Kind::BadItem, "`expires` is no timestamp such as 2027-01-01T00:00:00Z")
        })?),
    };
    let item = ListItem { expires, reason: reason.into(), source: source.into() };
    let (list, value) = (name.to_owned(), value.trim().to_owned());
    edit(app, ListEdit { list, value, item: Some(item) }).await?;
    Ok(json(&b"{\"put\":true}"[..]))
}

/// Takes an item off a list.
///
/// # Errors
/// When there is no such list.
pub(super) async fn delete(
    app: &App,
    name: &str,
    value: Option<&str>,
    body: &[u8],
) -> Result<Response<Reply>, Problem> {
    let value = match value {
        Some(value) => value.to_owned(),
        None => read::<Named>(body, "{\"value\": \"...\"}, or name it by ?value=")?.value,
    };
    let (list, value) = (name.to_owned(), value.trim().to_owned());
    let removed = edit(app, ListEdit { list, value, item: None }).await?;
    Ok(json(format!("{{\"removed\":{removed}}}")))
}

/// Edits, and waits until it is recorded; whether anything changed.
async fn edit(app: &App, edit: ListEdit) -> Result<bool, Problem> {
    let (changed, recorded) = app.keeper.edit(edit, Editor::Hand, &app.config.limits)?;
    recorded.done().await.map_err(|busy| not_recorded(&busy))?;
    Ok(changed)
}

fn read<T: for<'de> Deserialize<'de>>(body: &[u8], form: &str) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|e| {
        // The reader's own message may repeat what was sent.
        Problem::new(Kind::BadRequest, format!("the body is not what is expected (column {})", e.column()))
            .remedy(format!("send {form}"))
    })
}
