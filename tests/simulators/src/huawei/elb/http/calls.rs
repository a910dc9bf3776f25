//! Create, show, list, update and delete, for any kind of object and either version.

use serde_json::{Value, json};

use super::{
    super::{At, Elb, Fields, Listener, Network, refusals::missing},
    Calling, answer, done,
    kinds::{Kind, Path, Through},
    wrapped,
};
use crate::{
    engine::{Answer, Call, Problem, Reply, paging},
    huawei::State,
};

/// Most rows of a page, and how many there are when nothing is asked for.
const PAGE: usize = 2000;

/// A version of the API: how it words what the store holds.
pub(super) trait Version {
    const THROUGH: Through;
    /// A new object's fields in the store's words.
    fn new_fields(kind: &str, body: Fields) -> Result<Fields, Problem>;
    /// A change in the store's words.
    fn changed_fields(kind: &str, body: Fields) -> Result<Fields, Problem>;
    /// A view in the version's words.
    fn view(kind: &str, view: Fields) -> Fields;
    /// What a page says besides its rows.
    fn page_info(page: &paging::Page<Fields>) -> Option<Value>;
}

/// Runs an operation on the store, which is apart from the rest of the state for that long.
pub(super) fn with_elb<R>(state: &mut State, run: impl FnOnce(&mut Elb, &mut State) -> R) -> R {
    let mut elb = std::mem::take(&mut state.elb);
    let result = run(&mut elb, state);
    state.elb = elb;
    result
}

fn path_of<K: Kind>(call: &Call<'_, State>, with_id: bool) -> Path {
    let part = |wanted, name| if wanted { call.parameter(name).to_owned() } else { String::new() };
    Path { pool: part(K::IN_POOL, "pool_id"), id: part(with_id, "id") }
}

/// The object of the path, when the version sees it.
fn find<'a, K: Kind, V: Version>(elb: &'a Elb, at: &At, path: &Path) -> Result<&'a K::Object, Problem> {
    let object = K::find(elb, at, path)?;
    if V::THROUGH == Through::V2 && !K::is_shared(elb, object) {
        return Err(missing(K::NAME, &path.id));
    }
    Ok(object)
}

fn shown<K: Kind, V: Version>(call: Calling<'_, '_>, at: &At, path: &Path, status: u16) -> Reply {
    let state = &*call.state;
    let view = K::show(&state.elb, state, at, find::<K, V>(&state.elb, at, path)?);
    Ok(answer(status, call, K::NAME, V::view(K::NAME, view).into()))
}

pub(super) fn create<K: Kind, V: Version>(call: Calling<'_, '_>) -> Reply {
    let (at, mut path) = (At::of(call), path_of::<K>(call, false));
    let body = V::new_fields(K::NAME, wrapped(call, K::NAME)?)?;
    check_owner::<V>(&call.state.elb, &path, &body)?;
    path.id = with_elb(call.state, |elb, net| K::create(elb, net, &at, &path, body, V::THROUGH))?;
    shown::<K, V>(call, &at, &path, 201)
}

/// What belongs to a dedicated load balancer cannot be made through v2.
fn check_owner<V: Version>(elb: &Elb, path: &Path, body: &Fields) -> Result<(), Problem> {
    if V::THROUGH == Through::V3 {
        return Ok(());
    }
    let named = |field: &str| body.get(field).and_then(Value::as_str);
    let listener = named("listener_id").and_then(|id| elb.listeners.get(id));
    let pool = named("pool_id").or(Some(&path.pool)).and_then(|id| elb.pools.get(id));
    let of_pool = pool.and_then(|pool| pool.load_balancer.as_deref());
    let owners = [named("loadbalancer_id"), listener.map(Listener::load_balancer), of_pool];
    let dedicated =
        owners.into_iter().flatten().find(|id| elb.load_balancers.get(id).is_some_and(|owner| owner.guaranteed));
    dedicated.map_or(Ok(()), |id| Err(missing("loadbalancer", id)))
}

pub(super) fn show<K: Kind, V: Version>(call: Calling<'_, '_>) -> Reply {
    let (at, path) = (At::of(call), path_of::<K>(call, true));
    shown::<K, V>(call, &at, &path, 200)
}

pub(super) fn update<K: Kind, V: Version>(call: Calling<'_, '_>) -> Reply {
    let (at, path) = (At::of(call), path_of::<K>(call, true));
    let change = V::changed_fields(K::NAME, wrapped(call, K::NAME)?)?;
    find::<K, V>(&call.state.elb, &at, &path)?;
    with_elb(call.state, |elb, net| K::update(elb, net, &at, &path, change))?;
    shown::<K, V>(call, &at, &path, 200)
}

pub(super) fn delete<K: Kind, V: Version>(call: Calling<'_, '_>) -> Reply {
    let (at, path) = (At::of(call), path_of::<K>(call, true));
    find::<K, V>(&call.state.elb, &at, &path)?;
    with_elb(call.state, |elb, net| K::delete(elb, net, &at, &path))?;
    Ok(done())
}

/// Whether a filter means something else than the view's field of its name: the path to look at instead.
fn field_of(filter: &str) -> &str {
    match filter {
        "listener_id" => "listeners.id",
        "vip_subnet_id" => "vip_subnet_cidr_id",
        "subnet_id" => "subnet_cidr_id",
        other => other,
    }
}

/// Whether one of the values at a path of a view is the wanted text. Lists are looked through.
fn has(view: &Value, path: &str, wanted: &str) -> bool {
    match view {
        Value::Array(values) => values.iter().any(|value| has(value, path, wanted)),
        Value::Object(fields) => {
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            fields.get(first).is_some_and(|value| has(value, rest, wanted))
        }
        Value::Null => false,
        Value::String(text) => path.is_empty() && text == wanted,
        Value::Bool(flag) => path.is_empty() && wanted.parse() == Ok(*flag),
        Value::Number(number) => path.is_empty() && wanted == number.to_string(),
    }
}

/// Keys that are no filters, or are looked at before there is a view.
const OTHERS: [&str; 5] = ["marker", "limit", "page_reverse", "id", "loadbalancer_id"];

/// Whether a view passes every filter of the query: exact, and any of the values of one that repeats.
fn passes(call: &Call<'_, State>, view: &Value) -> bool {
    let mut filters: Vec<_> = call.request.query.iter().map(|(key, _)| key.as_str()).collect();
    filters.retain(|key| !OTHERS.contains(key));
    filters.dedup();
    filters.into_iter().all(|filter| {
        let mut values = call.all(filter).peekable();
        // `eips=eip_id=…` names the field in the value.
        let inner = |value: &str| match value.split_once('=') {
            Some((field, value)) if matches!(filter, "eips" | "publicips") => {
                has(view, &format!("{filter}.{field}"), value)
            }
            _ => has(view, field_of(filter), value),
        };
        values.peek().is_none() || values.any(inner)
    })
}

pub(super) fn list<K: Kind, V: Version>(call: Calling<'_, '_>) -> Reply {
    let (at, path) = (At::of(call), path_of::<K>(call, false));
    let state = &*call.state;
    if K::IN_POOL {
        state.elb.pool(&at, &path.pool)?;
    }
    rows::<K, V>(call, &at, &path)
}

/// Members of all pools.
pub(super) fn list_all<K: Kind, V: Version>(call: Calling<'_, '_>) -> Reply {
    let at = At::of(call);
    rows::<K, V>(call, &at, &Path::default())
}

fn rows<K: Kind, V: Version>(call: &Call<'_, State>, at: &At, path: &Path) -> Reply {
    let state = &*call.state;
    let elb = &state.elb;
    // Views cost much more than these: most of a large store is left out before.
    let visible = |object: &K::Object| {
        K::project(object) == at.project
            && (V::THROUGH == Through::V3 || K::is_shared(elb, object))
            && K::is_in(object, path)
            && call.admits("id", K::id(object))
            && (call.query("loadbalancer_id").is_none()
                || K::owner(elb, object).is_some_and(|owner| call.admits("loadbalancer_id", owner)))
    };
    let mut views = Vec::new();
    for object in call.list(K::table(elb), visible) {
        let view = Value::Object(K::show(elb, state, at, object));
        if passes(call, &view)
            && let Value::Object(view) = view
        {
            views.push(view);
        }
    }
    let reverse = call.parsed::<bool>("page_reverse")?.unwrap_or_default();
    let limit = paging::size(call.parsed("limit")?, PAGE, PAGE)?;
    if reverse {
        views.reverse();
    }
    let mut page = paging::by_marker(views, id_of, call.query("marker"), limit)?;
    if reverse {
        page.rows.reverse();
        std::mem::swap(&mut page.next, &mut page.previous);
    }
    let info = V::page_info(&page);
    let rows: Vec<_> = page.rows.into_iter().map(|row| V::view(K::NAME, row)).collect();
    Ok(listing(call, K::NAMES, &rows, info))
}

fn id_of(view: &Fields) -> &str {
    view.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn listing(call: &Call<'_, State>, names: &str, rows: &[Fields], info: Option<Value>) -> Answer {
    let mut body = Fields::new();
    body.insert(names.to_owned(), json!(rows));
    if let Some(info) = info {
        body.insert("page_info".to_owned(), info);
        body.insert("request_id".to_owned(), call.request_id.into());
    }
    Answer::ok(&Value::Object(body))
}

/// Has the store and the network for an operation that is no kind's.
pub(super) fn operate<R>(
    call: Calling<'_, '_>,
    run: impl FnOnce(&mut Elb, &mut dyn Network, &At) -> Result<R, Problem>,
) -> Result<R, Problem> {
    let at = At::of(call);
    with_elb(call.state, |elb, net| run(elb, net, &at))
}
