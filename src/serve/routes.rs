//! What can be asked: one table that requests are matched against and openapi.json is made from.

use super::app::Door;
use super::config::Scope;

macro_rules! routes {
    ($($route:ident $name:literal $method:literal $path:literal $door:ident $scope:expr, $about:literal;)*) => {
        /// One thing that can be asked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Route {
            $($route,)*
            /// No path: HAProxy's questions.
            Spop,
            /// Envoy's.
            Grpc,
            /// No route: what is not there, or has no such method.
            Unknown,
        }

        impl Route {
            pub(super) const ALL: [Route; 0 $(+ { let _ = Route::$route; 1 })* + 3] = [$(Route::$route,)* Route::Spop, Route::Grpc, Route::Unknown];

            /// The label in metrics.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Route::$route => $name,)*
                    Route::Spop => "spop",
                    Route::Grpc => "grpc",
                    Route::Unknown => "unknown",
                }
            }
        }

        /// All routes, the busiest first.
        pub(super) const TABLE: &[Entry] = &[$(Entry {
            route: Route::$route, name: $name, method: $method, path: $path, doors: Doors::$door, scope: $scope, about: $about,
        }),*];
    };
}

/// The listeners that have a path; the main one has all with `admin_on_main`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doors {
    Main,
    Admin,
    Both,
}

impl Doors {
    fn has(self, door: Door) -> bool {
        match self {
            Doors::Main => door == Door::Main,
            Doors::Admin => door == Door::Admin,
            Doors::Both => true,
        }
    }
}

/// A row of the table.
pub(super) struct Entry {
    pub(super) route: Route,
    pub(super) name: &'static str,
    /// `*` for any.
    pub(super) method: &'static str,
    /// `{name}` stands for one part, a trailing `/*` for whatever follows, nothing included.
    pub(super) path: &'static str,
    pub(super) doors: Doors,
    /// What a key needs; `None` for no key.
    pub(super) scope: Option<Scope>,
    pub(super) about: &'static str,
}

routes! {
    Score "score" "POST" "/v1/score" Main Some(Scope::Score), "Decide about one payment and remember it.";
    Batch "batch" "POST" "/v1/score:batch" Main Some(Scope::Score), "Decide about many payments: JSON lines in, JSON lines out, in order.";
    Settle "settle" "POST" "/v1/settlements" Main Some(Scope::Settle), "Tell what became of a recent payment.";
    OrderCreate "order_create" "POST" "/v1/orders" Main Some(Scope::Pay), "Create an order to be paid.";
    Order "order" "GET" "/v1/orders/{id}" Main Some(Scope::Pay), "An order and its payments.";
    Pay "pay" "POST" "/v1/payments" Main Some(Scope::Pay), "Pay an order: assess, authorize, capture.";
    Payment "payment" "GET" "/v1/payments/{id}" Main Some(Scope::Pay), "Where a payment is, and what was asked of the institution.";
    Capture "capture" "POST" "/v1/payments/{id}/capture" Main Some(Scope::Pay), "Take what is authorized, or a part of it.";
    Void "void" "POST" "/v1/payments/{id}/void" Main Some(Scope::Pay), "Let go of what is authorized.";
    Refund "refund" "POST" "/v1/payments/{id}/refunds" Main Some(Scope::Pay), "Give back what was captured, or a part of it.";
    Challenge "challenge" "POST" "/v1/payments/{id}/challenge" Main Some(Scope::Pay), "Prove that it is the payer, or have the code sent again.";
    Reviews "reviews" "GET" "/v1/reviews" Both Some(Scope::Review), "Payments that somebody is to look at, the oldest first.";
    Review "review" "POST" "/v1/payments/{id}/review" Both Some(Scope::Review), "Approve, decline, or refund and report what is held for review.";
    Dispute "dispute" "POST" "/v1/payments/{id}/disputes" Main Some(Scope::Review), "Tell that a dispute was opened, won or lost.";
    DisputeFigures "dispute_figures" "GET" "/v1/disputes/figures" Main Some(Scope::Review), "What a month's disputes and reports of fraud come to, by merchant and scheme.";
    Resolve "resolve" "POST" "/v1/payments/{id}/resolve" Main Some(Scope::Review), "Say by hand what became of what an institution never answered.";
    AuthenticatorEnrol "authenticator_enrol" "POST" "/v1/accounts/{id}/authenticator" Main Some(Scope::Pay), "Enrol an authenticator app for a payer's account; with its first code, confirm it.";
    Authenticator "authenticator" "GET" "/v1/accounts/{id}/authenticator" Main Some(Scope::Pay), "Whether an account has an authenticator.";
    AuthenticatorRemove "authenticator_remove" "DELETE" "/v1/accounts/{id}/authenticator" Main Some(Scope::Pay), "Remove the authenticator of an account.";
    Callback "callback" "POST" "/v1/callbacks/{channel}" Main None, "What an institution tells by itself: signed by it, no key.";
    Decision "decision" "GET" "/v1/decisions/{id}" Main Some(Scope::Score), "The answer that a recent payment got.";
    Decisions "decisions" "GET" "/v1/decisions" Both Some(Scope::Score), "The latest decisions, newest first.";
    Explain "explain" "POST" "/v1/explain" Both Some(Scope::Score), "Every rule's truth and every value for a payment; remembers nothing.";
    Authz "authz" "*" "/authz/*" Main Some(Scope::Score), "Let a request through or not: for gateways' forward-auth.";
    Signifyd "signifyd" "POST" "/signifyd/*" Main Some(Scope::Score), "Checkouts, sales and transactions as Hyperswitch posts them to Signifyd.";
    Stats "stats" "GET" "/v1/stats" Admin Some(Scope::Score), "Counts and latencies since the start and of the last minute.";
    Lists "lists" "GET" "/v1/lists" Admin Some(Scope::Lists), "The lists by name.";
    ListLookup "list_lookup" "POST" "/v1/lists/{name}/lookup" Admin Some(Scope::Lists), "Whether a value is on a list.";
    ListItems "list_items" "GET" "/v1/lists/{name}/items" Admin Some(Scope::Lists), "The items of a list.";
    ListPut "list_put" "PUT" "/v1/lists/{name}/items" Admin Some(Scope::Lists), "Put an item on a list.";
    ListDelete "list_delete" "DELETE" "/v1/lists/{name}/items" Admin Some(Scope::Lists), "Take an item off a list.";
    Pipeline "pipeline" "PUT" "/v1/pipeline" Admin Some(Scope::Admin), "Read the folder of rules again, or take the posted one.";
    Brakes "brakes" "GET" "/v1/brakes" Admin Some(Scope::Admin), "The rules that carry a brake, and which of them are braked.";
    Release "brake_release" "DELETE" "/v1/brakes/{rule}" Admin Some(Scope::Admin), "Give a braked rule its effect back.";
    Live "livez" "GET" "/livez" Admin None, "Whether the process runs.";
    Ready "readyz" "GET" "/readyz" Admin None, "Whether it takes payments.";
    Metrics "metrics" "GET" "/metrics" Admin None, "Counters and histograms as OpenMetrics text.";
    Version "version" "GET" "/version" Admin None, "Version of the program and digest of the pipeline.";
    OpenApi "openapi" "GET" "/openapi.json" Admin None, "This table as an OpenAPI document.";
    Console "console" "GET" "/console" Admin None, "A page that shows what is decided and why.";
    ConsolePart "console_part" "GET" "/console/{file}" Admin None, "The page's style and script.";
}

/// A request that a row fits, with what stands for the name in its path.
pub(super) struct Match<'p> {
    pub(super) entry: &'static Entry,
    pub(super) part: &'p str,
}

/// The row for a request; or the methods that the path has, which may be none.
pub(super) fn find<'p>(
    door: Door,
    all: bool,
    method: &str,
    path: &'p str,
) -> Result<Match<'p>, Vec<&'static str>> {
    let mut methods = Vec::new();
    for entry in TABLE.iter().filter(|entry| entry.doors.has(door) || (all && door == Door::Main)) {
        let Some(part) = fits(entry.path, path) else { continue };
        if entry.method == method || entry.method == "*" {
            return Ok(Match { entry, part });
        }
        methods.push(entry.method);
    }
    Err(methods)
}

fn fits<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    if pattern == path {
        return Some("");
    }
    if let Some(prefix) = pattern.strip_suffix("/*") {
        let rest = path.strip_prefix(prefix)?;
        return (rest.is_empty() || rest.starts_with('/')).then_some(rest);
    }
    let (before, rest) = pattern.split_once('{')?;
    let (_, after) = rest.split_once('}')?;
    let part = path.strip_prefix(before)?.strip_suffix(after)?;
    (!part.is_empty() && !part.contains('/')).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_find_their_row() {
        let found = |door, method, path| match find(door, false, method, path) {
            Ok(found) => format!("{} {}", found.entry.name, found.part),
            Err(methods) => methods.join(" "),
        };
        for (door, method, path, expected) in [
            (Door::Main, "POST", "/v1/score", "score "),
            (Door::Main, "GET", "/v1/score", "POST"),
            (Door::Main, "POST", "/v1/score/", ""),
            (Door::Main, "GET", "/v1/decisions/p%201", "decision p%201"),
            (Door::Main, "GET", "/v1/decisions/", ""),
            (Door::Main, "GET", "/v1/decisions/a/b", ""),
            (Door::Main, "PURGE", "/authz", "authz "),
            (Door::Main, "PUT", "/authz/v1/x", "authz /v1/x"),
            (Door::Main, "PUT", "/authzed", ""),
            (Door::Main, "POST", "/signifyd/v3/orders/events/sales", "signifyd /v3/orders/events/sales"),
            (Door::Main, "GET", "/livez", ""),
            (Door::Main, "GET", "/v1/decisions", "decisions "),
            (Door::Admin, "GET", "/v1/decisions", "decisions "),
            (Door::Admin, "GET", "/v1/decisions/p", ""),
            (Door::Main, "GET", "/console", ""),
            (Door::Admin, "GET", "/console/console.js", "console_part console.js"),
            (Door::Admin, "POST", "/v1/lists/never/lookup", "list_lookup never"),
            (Door::Admin, "GET", "/livez", "livez "),
            (Door::Admin, "POST", "/v1/payments/p/review", "review p"),
            (Door::Admin, "POST", "/v1/payments/p/void", ""),
            (Door::Main, "GET", "/v1/disputes/figures", "dispute_figures "),
            (Door::Admin, "DELETE", "/v1/brakes/wide", "brake_release wide"),
            (Door::Admin, "POST", "/v1/lists/never/items", "GET PUT DELETE"),
            (Door::Admin, "DELETE", "/v1/lists/never/items", "list_delete never"),
        ] {
            assert_eq!(found(door, method, path), expected, "{method} {path}");
        }
        assert!(find(Door::Main, true, "GET", "/livez").is_ok());
    }
}
