//! A service of a cloud: its hosts, how it words errors, its routes.

use std::collections::BTreeMap;

use http::Method;

use super::{Answer, Call, Problem, Reply, Request};

/// Executes a call. The state is its own for the time it runs.
pub type Handler<S> = fn(&mut Call<'_, S>) -> Reply;

/// How a service words a refusal; the text is the request id.
pub type Refuse = fn(&Problem, &str) -> Answer;

/// A service: a group of routes that share hosts and the shape of errors.
#[derive(Debug)]
pub struct Service<S> {
    pub(crate) name: &'static str,
    pub(crate) hosts: Vec<&'static str>,
    pub(crate) refuse: Refuse,
    pub(crate) routes: Vec<Route<S>>,
}

impl<S> Service<S> {
    /// A service of the name that stands in the journal, on the host label of the same name.
    pub fn new(name: &'static str, refuse: Refuse) -> Self {
        Self { name, hosts: vec![name], refuse, routes: Vec::new() }
    }

    /// On other hosts: the labels that the cloud's [`locate`](super::Cloud::locate) tells apart.
    #[must_use]
    pub fn on(self, hosts: &[&'static str]) -> Self {
        Self { hosts: hosts.to_vec(), ..self }
    }

    /// Whether it is on the host label.
    pub fn has_host(&self, label: &str) -> bool {
        self.hosts.contains(&label)
    }

    /// With a route more.
    #[must_use]
    pub fn route(mut self, route: Route<S>) -> Self {
        self.routes.push(route);
        self
    }
}

/// A route: method, path and the handler behind them.
#[derive(Debug)]
pub struct Route<S> {
    pub(crate) method: Method,
    /// Segments of the path.
    segments: Vec<Segment>,
    /// A key that the query must have: clouds that put the verb there.
    verb: Option<&'static str>,
    pub(crate) action: &'static str,
    pub(crate) handler: Handler<S>,
    pub(crate) query: &'static [&'static str],
    pub(crate) mutating: bool,
    pub(crate) signed: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Is(&'static str),
    Any(&'static str),
}

impl<S> Route<S> {
    /// A reading route. `path` is written as `/v1/{project_id}/servers`, with `?verb` when the query tells calls apart;
    /// `action` is the cloud's own name for the call.
    pub fn get(path: &'static str, action: &'static str, handler: Handler<S>) -> Self {
        Self { mutating: false, ..Self::new(Method::GET, path, action, handler) }
    }

    /// A mutating `POST`.
    pub fn post(path: &'static str, action: &'static str, handler: Handler<S>) -> Self {
        Self::new(Method::POST, path, action, handler)
    }

    /// A mutating `PUT`.
    pub fn put(path: &'static str, action: &'static str, handler: Handler<S>) -> Self {
        Self::new(Method::PUT, path, action, handler)
    }

    /// A mutating `DELETE`.
    pub fn delete(path: &'static str, action: &'static str, handler: Handler<S>) -> Self {
        Self::new(Method::DELETE, path, action, handler)
    }

    /// A mutating route of any method.
    pub fn new(method: Method, path: &'static str, action: &'static str, handler: Handler<S>) -> Self {
        let (path, verb) = match path.split_once('?') {
            Some((path, verb)) => (path, Some(verb)),
            None => (path, None),
        };
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        let segments =
            segments.map(|segment| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => Segment::Any(name),
                None => Segment::Is(segment),
            });
        Self { method, segments: segments.collect(), verb, action, handler, query: &[], mutating: true, signed: true }
    }

    /// The keys the query may have; a call with another is refused.
    #[must_use]
    pub fn query(self, keys: &'static [&'static str]) -> Self {
        Self { query: keys, ..self }
    }

    /// Changes nothing in spite of its method.
    #[must_use]
    pub fn reads(self) -> Self {
        Self { mutating: false, ..self }
    }

    /// Open to callers without signature.
    #[must_use]
    pub fn open(self) -> Self {
        Self { signed: false, ..self }
    }

    /// Whether the query may have the key.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.verb == Some(key) || self.query.contains(&key)
    }

    /// The path's parameters, and how exactly the route was met: the more, the better.
    fn meets(&self, request: &Request, path: &[String]) -> Option<(BTreeMap<&'static str, String>, usize)> {
        if self.method != request.method || self.segments.len() != path.len() {
            return None;
        }
        let mut exactness = 0;
        if let Some(verb) = self.verb {
            request.query.iter().find(|(key, _)| key == verb)?;
            exactness += 1;
        }
        let mut parameters = BTreeMap::new();
        for (segment, text) in self.segments.iter().zip(path) {
            match segment {
                Segment::Is(word) if word == text => exactness += 1,
                Segment::Is(_) => return None,
                Segment::Any(name) => {
                    parameters.insert(*name, text.clone());
                }
            }
        }
        Some((parameters, exactness))
    }
}

/// Where a request is bound for.
#[derive(Debug)]
pub(crate) struct Found<'a, S> {
    pub(crate) service: &'a Service<S>,
    pub(crate) route: &'a Route<S>,
    pub(crate) parameters: BTreeMap<&'static str, String>,
}

/// The route that meets a request best among the services of a host; of all services when there is no host to go by.
pub(crate) fn find<'a, S>(
    services: &'a [Service<S>],
    host: Option<&str>,
    request: &Request,
    path: &str,
) -> Option<Found<'a, S>> {
    let path = Request::segments(path);
    let on_host = |service: &&Service<S>| host.is_none_or(|host| service.has_host(host));
    let mut best: Option<(Found<'a, S>, usize)> = None;
    for service in services.iter().filter(on_host) {
        for route in &service.routes {
            if let Some((parameters, exactness)) = route.meets(request, &path)
                && best.as_ref().is_none_or(|(_, best)| exactness > *best)
            {
                best = Some((Found { service, route, parameters }, exactness));
            }
        }
    }
    best.map(|(found, _)| found)
}
