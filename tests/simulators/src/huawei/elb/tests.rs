//! The rules between objects, one row a refusal.

use provider_hop::testing::{Authority, Wanted};
use serde_json::{Value, json};

use super::*;
use crate::huawei::{
    Huawei, NewServer, State,
    network::{Bandwidth, PublicIp},
    state::{NEUTRON_SUBNET, PROJECT, SUBNET, VPC},
};

/// A dedicated and a shared load balancer with a listener, a pool, a member and a monitor each, and two servers.
struct World {
    state: State,
    at: At,
    shared: Ids,
    dedicated: Ids,
}

#[derive(Clone, Default)]
struct Ids {
    load_balancer: String,
    listener: String,
    pool: String,
    member: String,
    monitor: String,
}

fn fields(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        other => panic!("no object: {other}"),
    }
}

fn at(second: i64) -> At {
    At {
        now: Timestamp::from_second(second).unwrap(),
        project: PROJECT.to_owned(),
        creation: Duration::from_secs(2),
        quotas: QUOTAS.iter().map(|(_, quota)| *quota).collect(),
        public_ips: 50,
    }
}

impl World {
    fn empty() -> Self {
        let mut state = State::new(&Huawei::default());
        for name in ["node-0", "node-1"] {
            state.add_server(NewServer::named(name)).unwrap();
        }
        Self { state, at: at(1000), shared: Ids::default(), dedicated: Ids::default() }
    }

    fn settled() -> Self {
        let mut world = Self::empty();
        let dedicated =
            json!({ "name": "d", "vip_subnet_cidr_id": NEUTRON_SUBNET, "availability_zone_list": ["ap-southeast-1a"] });
        let dedicated = world.run(|elb, net, at| elb.create_dedicated(net, at, fields(dedicated))).unwrap();
        let shared = json!({ "name": "s", "vip_subnet_cidr_id": NEUTRON_SUBNET });
        let shared = world.run(|elb, net, at| elb.create_shared(net, at, fields(shared))).unwrap();
        world.at = at(2000);
        world.dedicated = world.fill(dedicated);
        world.shared = world.fill(shared);
        world
    }

    fn fill(&mut self, load_balancer: String) -> Ids {
        let address = self.address("node-0");
        self.run(|elb, net, at| {
            let pool = json!({ "loadbalancer_id": load_balancer, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN" });
            let pool = elb.create_pool(net, at, fields(pool)).unwrap();
            let listener = json!({
                "loadbalancer_id": load_balancer, "protocol": "TCP", "protocol_port": 80, "default_pool_id": pool,
            });
            let listener = elb.create_listener(at, fields(listener)).unwrap();
            let member = json!({ "address": address, "protocol_port": 30080, "subnet_cidr_id": NEUTRON_SUBNET });
            let member = elb.create_member(net, at, &pool, fields(member), false).unwrap();
            let monitor = json!({ "pool_id": pool, "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 3 });
            let monitor = elb.create_monitor(at, fields(monitor)).unwrap();
            Ids { load_balancer, listener, pool, member, monitor }
        })
    }

    fn run<R>(&mut self, with: impl FnOnce(&mut Elb, &mut State, &At) -> R) -> R {
        let mut elb = std::mem::take(&mut self.state.elb);
        let result = with(&mut elb, &mut self.state, &self.at);
        self.state.elb = elb;
        result
    }

    fn address(&self, server: &str) -> String {
        let server = self.state.servers.iter().find(|known| known.name == server).unwrap();
        self.state.ports.get(&server.ports[0]).unwrap().ipv4().unwrap().to_string()
    }

    fn add_eip(&mut self, id: &str) {
        let eip = PublicIp {
            id: id.to_owned(),
            project_id: PROJECT.to_owned(),
            kind: "5_bgp".to_owned(),
            public_ip_address: [203, 0, 113, 9].into(),
            alias: String::new(),
            status: "DOWN".to_owned(),
            ready_at: Timestamp::UNIX_EPOCH,
            port_id: None,
            bandwidth: Bandwidth {
                id: "bandwidth".to_owned(),
                name: String::new(),
                size: 5,
                share_type: "PER".to_owned(),
                charge_mode: "traffic".to_owned(),
            },
            enterprise_project_id: "0".to_owned(),
            tags: Vec::new(),
            create_time: Timestamp::UNIX_EPOCH,
        };
        self.state.publicips.insert(Timestamp::MIN, id, eip);
    }
}

/// What is refused, with its status; 0: nothing.
fn status(outcome: &Result<(), Problem>) -> u16 {
    match outcome {
        Ok(()) => 0,
        Err(Problem::Refused { status, .. }) => status.as_u16(),
        Err(Problem::BadBody(_) | Problem::BadParameter { .. } | Problem::UnknownParameter(_)) => 400,
        Err(other) => panic!("{other:?}"),
    }
}

#[track_caller]
fn check<T: std::fmt::Debug>(what: &str, outcome: Result<T, Problem>, expected: u16) {
    let outcome = outcome.map(|_| ());
    assert_eq!(status(&outcome), expected, "{what}: {outcome:?}");
}

#[test]
fn a_dedicated_load_balancer_is_what_it_should_be() {
    let base =
        json!({ "name": "x", "vip_subnet_cidr_id": NEUTRON_SUBNET, "availability_zone_list": ["ap-southeast-1a"] });
    let many_tags: Vec<_> = (0..21).map(|tag| json!({ "key": format!("k{tag}"), "value": "v" })).collect();
    for (what, change, expected) in [
        ("as it is", json!({}), 0),
        ("VPC beside", json!({ "vpc_id": VPC }), 0),
        ("address of its own", json!({ "vip_address": "192.168.0.200" }), 0),
        ("shared", json!({ "guaranteed": false }), 400),
        ("unknown field", json!({ "vip_subnet_id": NEUTRON_SUBNET }), 400),
        ("wrong type", json!({ "admin_state_up": "yes" }), 400),
        ("network instead of subnet", json!({ "vip_subnet_cidr_id": SUBNET }), 404),
        ("no place at all", json!({ "vip_subnet_cidr_id": null }), 400),
        ("no such VPC", json!({ "vpc_id": "nothing" }), 404),
        ("no zones", json!({ "availability_zone_list": [] }), 400),
        ("no such zone", json!({ "availability_zone_list": ["mars-1a"] }), 400),
        ("no such flavor", json!({ "l4_flavor_id": "nothing" }), 404),
        ("address elsewhere", json!({ "vip_address": "10.0.0.1" }), 400),
        ("address taken", json!({ "vip_address": "192.168.0.1" }), 409),
        ("no IPv6 there", json!({ "ipv6_vip_virsubnet_id": SUBNET }), 400),
        ("enterprise project 0", json!({ "enterprise_project_id": "0" }), 400),
        ("empty enterprise project", json!({ "enterprise_project_id": "" }), 400),
        ("long name", json!({ "name": "x".repeat(256) }), 400),
        ("too many tags", json!({ "tags": many_tags }), 400),
        ("a tag twice", json!({ "tags": [{ "key": "a", "value": "1" }, { "key": "a", "value": "2" }] }), 400),
        ("no such address", json!({ "publicip_ids": ["nothing"] }), 404),
    ] {
        let mut world = World::empty();
        let mut body = fields(base.clone());
        body.extend(fields(change));
        let ports = world.state.ports.len();
        let outcome = world.run(|elb, net, at| elb.create_dedicated(net, at, body)).map(|_| ());
        check(what, outcome, expected);
        assert_eq!(world.state.ports.len() - ports, usize::from(expected == 0), "{what}: ports");
    }
}

#[test]
fn a_shared_load_balancer_is_made_with_patience() {
    let mut world = World::empty();
    let body = json!({ "vip_subnet_cidr_id": NEUTRON_SUBNET });
    let id = world.run(|elb, net, at| elb.create_shared(net, at, fields(body))).unwrap();
    let status =
        |world: &World| world.state.elb.load_balancers.get(&id).unwrap().provisioning_status(world.at.now).to_owned();
    assert_eq!(status(&world), "PENDING_CREATE");
    let listener = json!({ "loadbalancer_id": id, "protocol": "TCP", "protocol_port": 80 });
    check(
        "while it is made",
        world.run(|elb, _, at| elb.create_listener(at, fields(listener.clone()))).map(|_| ()),
        409,
    );
    check("gone while it is made", world.run(|elb, net, at| elb.delete_load_balancer(net, at, &id)), 409);
    world.at = at(1002);
    assert_eq!(status(&world), "ACTIVE");
    check("once it is made", world.run(|elb, _, at| elb.create_listener(at, fields(listener))).map(|_| ()), 0);
    check("without subnet", world.run(|elb, net, at| elb.create_shared(net, at, Fields::new())).map(|_| ()), 400);
}

#[test]
fn a_listener_fits_its_load_balancer() {
    for (what, dedicated, body, expected) in [
        ("another port", true, json!({ "protocol": "TCP", "protocol_port": 81 }), 0),
        ("same port", true, json!({ "protocol": "TCP", "protocol_port": 80 }), 409),
        ("same port, other protocol of one space", true, json!({ "protocol": "HTTP", "protocol_port": 80 }), 409),
        ("same port over UDP", true, json!({ "protocol": "UDP", "protocol_port": 80 }), 0),
        (
            "QUIC on a free UDP port",
            true,
            json!({ "protocol": "QUIC", "protocol_port": 80, "default_tls_container_ref": "CERT" }),
            0,
        ),
        (
            "QUIC on a shared one",
            false,
            json!({ "protocol": "QUIC", "protocol_port": 80, "default_tls_container_ref": "CERT" }),
            400,
        ),
        ("HTTPS", true, json!({ "protocol": "HTTPS", "protocol_port": 443, "default_tls_container_ref": "CERT" }), 0),
        ("HTTPS without certificate", true, json!({ "protocol": "HTTPS", "protocol_port": 443 }), 400),
        (
            "no such certificate",
            true,
            json!({ "protocol": "HTTPS", "protocol_port": 443, "default_tls_container_ref": "x" }),
            404,
        ),
        (
            "certificate on TCP",
            true,
            json!({ "protocol": "TCP", "protocol_port": 81, "default_tls_container_ref": "CERT" }),
            400,
        ),
        ("no such protocol", true, json!({ "protocol": "SCTP", "protocol_port": 81 }), 400),
        ("port 0", true, json!({ "protocol": "TCP", "protocol_port": 0 }), 400),
        (
            "range over a taken port",
            true,
            json!({ "protocol": "TCP", "protocol_port": 0, "port_ranges": [{ "start_port": 70, "end_port": 90 }] }),
            409,
        ),
        ("port too large", true, json!({ "protocol": "TCP", "protocol_port": 65536 }), 400),
        ("port as text", true, json!({ "protocol": "TCP", "protocol_port": "81" }), 400),
        ("unknown field", true, json!({ "protocol": "TCP", "protocol_port": 81, "timeout": 1 }), 400),
        ("short idle timeout", true, json!({ "protocol": "TCP", "protocol_port": 81, "keepalive_timeout": 9 }), 400),
        (
            "idle timeout 0 over HTTP",
            true,
            json!({ "protocol": "HTTP", "protocol_port": 81, "keepalive_timeout": 0 }),
            0,
        ),
        (
            "idle timeout of shared UDP",
            false,
            json!({ "protocol": "UDP", "protocol_port": 81, "keepalive_timeout": 60 }),
            400,
        ),
        ("request timeout of TCP", true, json!({ "protocol": "TCP", "protocol_port": 81, "client_timeout": 60 }), 400),
        ("long request timeout", true, json!({ "protocol": "HTTP", "protocol_port": 81, "client_timeout": 301 }), 400),
        (
            "hidden client on a dedicated one",
            true,
            json!({ "protocol": "TCP", "protocol_port": 81, "transparent_client_ip_enable": false }),
            400,
        ),
        (
            "hidden client on a shared one",
            false,
            json!({ "protocol": "TCP", "protocol_port": 81, "transparent_client_ip_enable": false }),
            0,
        ),
        (
            "unknown header",
            true,
            json!({ "protocol": "HTTP", "protocol_port": 81, "insert_headers": { "X-Me": true } }),
            400,
        ),
        (
            "no such group",
            true,
            json!({ "protocol": "TCP", "protocol_port": 81, "ipgroup": { "ipgroup_id": "x" } }),
            404,
        ),
        ("no such pool", true, json!({ "protocol": "TCP", "protocol_port": 81, "default_pool_id": "x" }), 404),
        (
            "a second listener for a dedicated pool",
            true,
            json!({ "protocol": "TCP", "protocol_port": 81, "default_pool_id": "POOL" }),
            0,
        ),
        (
            "a second listener for a shared pool",
            false,
            json!({ "protocol": "TCP", "protocol_port": 81, "default_pool_id": "POOL" }),
            409,
        ),
        (
            "HTTP to a pool of TCP",
            true,
            json!({ "protocol": "HTTP", "protocol_port": 81, "default_pool_id": "POOL" }),
            400,
        ),
        ("no load balancer", true, json!({ "protocol": "TCP", "protocol_port": 81, "loadbalancer_id": "x" }), 404),
    ] {
        let mut world = World::settled();
        let certificate = world.run(|elb, _, at| elb.create_certificate(at, fields(certificate()))).unwrap();
        let ids = if dedicated { world.dedicated.clone() } else { world.shared.clone() };
        let text = body.to_string().replace("CERT", &certificate).replace("POOL", &ids.pool);
        let mut body: Fields = serde_json::from_str(&text).unwrap();
        body.entry("loadbalancer_id").or_insert_with(|| json!(ids.load_balancer));
        check(what, world.run(|elb, _, at| elb.create_listener(at, body)).map(|_| ()), expected);
    }
}

fn certificate() -> Value {
    let issued = Authority::new("test").issue(&Wanted::named(&["web.example.test"]));
    json!({ "certificate": issued.certificate, "private_key": issued.private_key, "domain": "web.example.test" })
}

#[test]
fn either_kind_has_its_own_word_for_tls() {
    let mut world = World::settled();
    let certificate = world.run(|elb, _, at| elb.create_certificate(at, fields(certificate()))).unwrap();
    for (ids, said, stored) in
        [(world.dedicated.clone(), "TERMINATED_HTTPS", "HTTPS"), (world.shared.clone(), "HTTPS", "TERMINATED_HTTPS")]
    {
        let body = json!({
            "loadbalancer_id": ids.load_balancer, "protocol": said, "protocol_port": 443,
            "default_tls_container_ref": certificate,
        });
        let id = world.run(|elb, _, at| elb.create_listener(at, fields(body))).unwrap();
        assert_eq!(world.state.elb.listeners.get(&id).unwrap().fields.protocol, stored);
        check("in use", world.run(|elb, _, at| elb.delete_certificate(at, &certificate)), 409);
    }
    check(
        "no PEM",
        world.run(|elb, _, at| elb.create_certificate(at, fields(json!({ "certificate": "x" })))).map(|_| ()),
        400,
    );
}

#[test]
fn a_pool_fits_its_listener() {
    let base = json!({ "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN" });
    for (what, dedicated, change, expected) in [
        ("of the load balancer", true, json!({ "loadbalancer_id": "LB" }), 0),
        ("of a listener that has one", true, json!({ "listener_id": "LISTENER" }), 409),
        ("of nothing", true, json!({}), 400),
        ("for later", true, json!({ "type": "instance", "vpc_id": VPC }), 0),
        ("for later, nowhere", true, json!({ "type": "instance" }), 400),
        ("no algorithm", true, json!({ "loadbalancer_id": "LB", "lb_algorithm": "" }), 400),
        ("unknown algorithm", true, json!({ "loadbalancer_id": "LB", "lb_algorithm": "RANDOM" }), 400),
        ("HTTPS on a shared one", false, json!({ "loadbalancer_id": "LB", "protocol": "HTTPS" }), 400),
        ("HTTPS on a dedicated one", true, json!({ "loadbalancer_id": "LB", "protocol": "HTTPS" }), 0),
        (
            "sticky",
            true,
            json!({ "loadbalancer_id": "LB", "session_persistence": { "type": "SOURCE_IP", "persistence_timeout": 60 } }),
            0,
        ),
        (
            "too sticky",
            true,
            json!({ "loadbalancer_id": "LB", "session_persistence": { "type": "SOURCE_IP", "persistence_timeout": 61 } }),
            400,
        ),
        (
            "cookie over TCP",
            true,
            json!({ "loadbalancer_id": "LB", "session_persistence": { "type": "HTTP_COOKIE" } }),
            400,
        ),
        (
            "cookie over HTTP",
            true,
            json!({ "loadbalancer_id": "LB", "protocol": "HTTP", "session_persistence": { "type": "HTTP_COOKIE" } }),
            0,
        ),
        (
            "named cookie",
            true,
            json!({ "loadbalancer_id": "LB", "protocol": "HTTP", "session_persistence": { "type": "HTTP_COOKIE", "cookie_name": "c" } }),
            400,
        ),
        (
            "cookie without name",
            true,
            json!({ "loadbalancer_id": "LB", "protocol": "HTTP", "session_persistence": { "type": "APP_COOKIE" } }),
            400,
        ),
        ("unknown field", true, json!({ "loadbalancer_id": "LB", "weight": 1 }), 400),
        ("no such load balancer", true, json!({ "loadbalancer_id": "x" }), 404),
    ] {
        let mut world = World::settled();
        let ids = if dedicated { world.dedicated.clone() } else { world.shared.clone() };
        let mut body = fields(base.clone());
        let text = change.to_string().replace("\"LB\"", &json!(ids.load_balancer).to_string());
        body.extend(serde_json::from_str::<Fields>(&text.replace("LISTENER", &ids.listener)).unwrap());
        check(what, world.run(|elb, net, at| elb.create_pool(net, at, body)).map(|_| ()), expected);
    }
}

#[test]
fn a_member_fits_its_pool() {
    let free = World::settled().address("node-1");
    let taken = World::settled().address("node-0");
    for (what, only_servers, body, expected) in [
        ("another", false, json!({ "address": free, "protocol_port": 30080, "subnet_cidr_id": NEUTRON_SUBNET }), 0),
        ("the same", false, json!({ "address": taken, "protocol_port": 30080, "subnet_cidr_id": NEUTRON_SUBNET }), 409),
        (
            "the same on another port",
            false,
            json!({ "address": taken, "protocol_port": 30081, "subnet_cidr_id": NEUTRON_SUBNET }),
            0,
        ),
        (
            "nobody's address",
            false,
            json!({ "address": "192.168.0.250", "protocol_port": 1, "subnet_cidr_id": NEUTRON_SUBNET }),
            0,
        ),
        (
            "nobody's address through v2",
            true,
            json!({ "address": "192.168.0.250", "protocol_port": 1, "subnet_cidr_id": NEUTRON_SUBNET }),
            400,
        ),
        (
            "outside of the subnet",
            false,
            json!({ "address": "10.0.0.1", "protocol_port": 1, "subnet_cidr_id": NEUTRON_SUBNET }),
            400,
        ),
        ("no such subnet", false, json!({ "address": free, "protocol_port": 1, "subnet_cidr_id": SUBNET }), 404),
        ("by address alone", false, json!({ "address": free, "protocol_port": 1 }), 400),
        (
            "heavy",
            false,
            json!({ "address": free, "protocol_port": 1, "subnet_cidr_id": NEUTRON_SUBNET, "weight": 101 }),
            400,
        ),
        ("port 0", false, json!({ "address": free, "protocol_port": 0, "subnet_cidr_id": NEUTRON_SUBNET }), 400),
        (
            "no address",
            false,
            json!({ "address": "node-1", "protocol_port": 1, "subnet_cidr_id": NEUTRON_SUBNET }),
            400,
        ),
        ("unknown field", false, json!({ "address": free, "protocol_port": 1, "subnet_id": NEUTRON_SUBNET }), 400),
    ] {
        let mut world = World::settled();
        let pool = world.dedicated.pool.clone();
        let outcome = world.run(|elb, net, at| elb.create_member(net, at, &pool, fields(body), only_servers));
        check(what, outcome.map(|_| ()), expected);
    }
}

#[test]
fn members_by_address_alone_need_the_load_balancers_leave() {
    let mut world = World::settled();
    let Ids { load_balancer, pool, .. } = world.dedicated.clone();
    let change = |value: bool| fields(json!({ "ip_target_enable": value }));
    check("on", world.run(|elb, net, at| elb.update_load_balancer(net, at, &load_balancer, change(true))), 0);
    let body = fields(json!({ "address": "10.9.9.9", "protocol_port": 8080 }));
    check("by address", world.run(|elb, net, at| elb.create_member(net, at, &pool, body, false)).map(|_| ()), 0);
    check("off", world.run(|elb, net, at| elb.update_load_balancer(net, at, &load_balancer, change(false))), 400);
    let shared = world.shared.load_balancer.clone();
    check("shared", world.run(|elb, net, at| elb.update_load_balancer(net, at, &shared, change(true))), 400);
}

#[test]
fn batches_tell_what_became_of_each_member() {
    let mut world = World::settled();
    let pool = world.dedicated.pool.clone();
    let (taken, free) = (world.address("node-0"), world.address("node-1"));
    let body =
        |address: &str| fields(json!({ "address": address, "protocol_port": 30080, "subnet_cidr_id": NEUTRON_SUBNET }));
    let statuses = |outcomes: Vec<members::Outcome>| outcomes.iter().map(|outcome| outcome.status).collect::<Vec<_>>();

    let added = world.run(|elb, net, at| elb.add_members(net, at, &pool, vec![body(&taken), body(&free)])).unwrap();
    assert_eq!(statuses(added), ["existed", "successful"]);
    let id = world.dedicated.member.clone();
    let changes = vec![fields(json!({ "id": id, "weight": 0 })), fields(json!({ "id": "nothing", "weight": 0 }))];
    let after = world.run(|elb, _, at| elb.change_members(at, &pool, changes)).unwrap();
    assert_eq!(statuses(after), ["successful", "not found"]);
    assert_eq!(world.state.elb.members.get(&id).unwrap().fields.weight, 0);
    let place = members::MemberRef::Place { address: free.parse().unwrap(), protocol_port: 30080 };
    let gone = vec![members::MemberRef::Id { id: id.clone() }, members::MemberRef::Id { id }, place];
    let gone = world.run(|elb, _, at| elb.remove_members(at, &pool, gone)).unwrap();
    assert_eq!(statuses(gone), ["successful", "not found", "successful"]);
    assert_eq!(world.state.elb.members_of(&pool).count(), 0);

    let many = |count: usize| (0..count).map(|n| body(&format!("192.168.1.{n}"))).collect::<Vec<_>>();
    let outcome = world.run(|elb, net, at| elb.add_members(net, at, &pool, many(201))).map(|_| ());
    check("too many", outcome, 400);
    check("none", world.run(|elb, net, at| elb.add_members(net, at, &pool, Vec::new())).map(|_| ()), 400);
    let mixed = vec![body(&free), body("10.0.0.1")];
    check("one is wrong", world.run(|elb, net, at| elb.add_members(net, at, &pool, mixed)).map(|_| ()), 400);
    assert_eq!(world.state.elb.members_of(&pool).count(), 0, "one that is wrong refuses all");
}

#[test]
fn a_monitor_fits_its_pool() {
    let base = json!({ "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 3 });
    for (what, dedicated, change, expected) in [
        ("TCP", true, json!({}), 0),
        ("HTTP", true, json!({ "type": "HTTP", "url_path": "/healthz" }), 0),
        ("path without slash", true, json!({ "type": "HTTP", "url_path": "healthz" }), 400),
        ("path of TCP", true, json!({ "url_path": "/healthz" }), 400),
        ("UDP for TCP", true, json!({ "type": "UDP_CONNECT" }), 400),
        ("HTTPS on a shared one", false, json!({ "type": "HTTPS" }), 400),
        ("slow", true, json!({ "delay": 51 }), 400),
        ("impatient", true, json!({ "timeout": 0 }), 400),
        ("stubborn", true, json!({ "max_retries": 11 }), 400),
        ("unknown field", true, json!({ "enable": true }), 400),
        ("no such pool", true, json!({ "pool_id": "x" }), 404),
    ] {
        let mut world = World::settled();
        let ids = if dedicated { world.dedicated.clone() } else { world.shared.clone() };
        let mut body = fields(base.clone());
        body.insert("pool_id".to_owned(), json!(ids.pool));
        body.extend(fields(change));
        if expected == 0 {
            check("a second one", world.run(|elb, _, at| elb.create_monitor(at, body.clone())).map(|_| ()), 409);
        }
        world.run(|elb, _, at| elb.delete_monitor(at, &ids.monitor)).unwrap();
        check(what, world.run(|elb, _, at| elb.create_monitor(at, body)).map(|_| ()), expected);
    }
    let mut world = World::settled();
    let lb = world.dedicated.load_balancer.clone();
    let udp = json!({ "loadbalancer_id": lb, "protocol": "UDP", "lb_algorithm": "ROUND_ROBIN" });
    let pool = world.run(|elb, net, at| elb.create_pool(net, at, fields(udp))).unwrap();
    for (kind, expected) in [("TCP", 400), ("UDP_CONNECT", 0)] {
        let body = json!({ "pool_id": pool, "type": kind, "delay": 5, "timeout": 3, "max_retries": 3 });
        check(kind, world.run(|elb, _, at| elb.create_monitor(at, fields(body))).map(|_| ()), expected);
    }
}

#[test]
fn parents_outlive_their_children() {
    for dedicated in [true, false] {
        let mut world = World::settled();
        let Ids { load_balancer, listener, pool, member, monitor } =
            if dedicated { world.dedicated.clone() } else { world.shared.clone() };
        world.run(|elb, net, at| {
            check("load balancer with listeners", elb.delete_load_balancer(net, at, &load_balancer), 409);
            check("listener with a pool", elb.delete_listener(at, &listener), 409);
            check("pool with members", elb.delete_pool(at, &pool), 409);
            check("member", elb.delete_member(at, &pool, &member), 0);
            check("pool with a monitor", elb.delete_pool(at, &pool), 409);
            check("monitor", elb.delete_monitor(at, &monitor), 0);
            check("pool", elb.delete_pool(at, &pool), 0);
            check("load balancer with a listener", elb.delete_load_balancer(net, at, &load_balancer), 409);
            check("listener", elb.delete_listener(at, &listener), 0);
            check("load balancer", elb.delete_load_balancer(net, at, &load_balancer), 0);
            check("load balancer that is gone", elb.delete_load_balancer(net, at, &load_balancer), 404);
        });
    }
}

#[test]
fn deletion_by_force_takes_all_and_frees_the_address() {
    let mut world = World::settled();
    world.add_eip("eip");
    let Ids { load_balancer, .. } = world.dedicated.clone();
    let ports = world.state.ports.len();
    world.run(|elb, net, at| {
        let port = elb.load_balancer(at, &load_balancer).unwrap().vip_port_id.clone().unwrap();
        net.attach(at, "eip", &port).unwrap();
        let view = elb.show_load_balancer(net, at, elb.load_balancer(at, &load_balancer).unwrap());
        assert_eq!(view["eips"], json!([{ "eip_id": "eip", "eip_address": "203.0.113.9", "ip_version": 4 }]));
        assert_eq!(view["publicips"][0]["publicip_id"], "eip");
        let protect = |on: bool| fields(json!({ "deletion_protection_enable": on }));
        elb.update_load_balancer(net, at, &load_balancer, protect(true)).unwrap();
        check("protected", elb.force_delete_load_balancer(net, at, &load_balancer), 409);
        elb.update_load_balancer(net, at, &load_balancer, protect(false)).unwrap();
        check("by force", elb.force_delete_load_balancer(net, at, &load_balancer), 0);
    });
    let elb = &world.state.elb;
    assert_eq!((elb.listeners.len(), elb.pools.len(), elb.members.len(), elb.monitors.len()), (1, 1, 1, 1));
    assert_eq!(world.state.ports.len(), ports - 1, "the address is free");
    let eip = world.state.publicips.get("eip").unwrap();
    assert_eq!((eip.port_id.as_deref(), &eip.status[..]), (None, "DOWN"), "the public address stays, unbound");
}

#[test]
fn a_cascade_takes_what_it_is_told_to() {
    for (what, dedicated, pools, public_ip, expected, left) in [
        ("all but the address", true, true, false, 0, (0, 1)),
        ("all", true, true, true, 0, (0, 0)),
        ("pools stay", true, false, false, 0, (1, 1)),
        ("shared, all", false, true, false, 0, (0, 1)),
        ("shared, pools stay", false, false, false, 400, (1, 1)),
    ] {
        let mut world = World::settled();
        world.add_eip("eip");
        let ids = if dedicated { world.dedicated.clone() } else { world.shared.clone() };
        world.run(|elb, net, at| {
            let port = elb.load_balancer(at, &ids.load_balancer).unwrap().vip_port_id.clone().unwrap();
            net.attach(at, "eip", &port).unwrap();
            check(what, elb.cascade_load_balancer(net, at, &ids.load_balancer, pools, public_ip), expected);
        });
        let pool = usize::from(world.state.elb.pools.get(&ids.pool).is_some());
        assert_eq!((pool, world.state.publicips.len()), left, "{what}");
    }
}

#[test]
fn force_on_a_listener_takes_the_pool_it_alone_has() {
    let mut world = World::settled();
    let Ids { load_balancer, listener, pool, .. } = world.dedicated.clone();
    let second =
        json!({ "loadbalancer_id": load_balancer, "protocol": "TCP", "protocol_port": 81, "default_pool_id": pool });
    let second = world.run(|elb, _, at| elb.create_listener(at, fields(second))).unwrap();
    world.run(|elb, _, at| elb.force_delete_listener(at, &listener)).unwrap();
    assert!(world.state.elb.pools.get(&pool).is_some(), "another listener has it");
    world.run(|elb, _, at| elb.force_delete_listener(at, &second)).unwrap();
    assert!(world.state.elb.pools.get(&pool).is_none());
}

#[test]
fn quotas_hold() {
    for (quota, limit) in [
        ("loadbalancer", 2),
        ("listener", 2),
        ("listeners_per_loadbalancer", 1),
        ("pool", 2),
        ("member", 2),
        ("members_per_pool", 1),
    ] {
        let mut world = World::settled();
        let place = QUOTAS.iter().position(|(name, _)| *name == quota).unwrap();
        world.at.quotas[place] = limit;
        let (ids, free) = (world.dedicated.clone(), world.address("node-1"));
        let outcome = world.run(|elb, net, at| match quota {
            "loadbalancer" => elb.create_shared(net, at, fields(json!({ "vip_subnet_cidr_id": NEUTRON_SUBNET }))),
            "pool" => elb.create_pool(
                net,
                at,
                fields(
                    json!({ "loadbalancer_id": ids.load_balancer, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN" }),
                ),
            ),
            "listener" | "listeners_per_loadbalancer" => elb.create_listener(
                at,
                fields(json!({ "loadbalancer_id": ids.load_balancer, "protocol": "TCP", "protocol_port": 81 })),
            ),
            _ => elb.create_member(
                net,
                at,
                &ids.pool,
                fields(json!({ "address": free, "protocol_port": 1, "subnet_cidr_id": NEUTRON_SUBNET })),
                false,
            ),
        });
        check(quota, outcome.map(|_| ()), 409);
        assert_eq!(world.state.elb.load_balancers.len(), 2);
    }
}

#[test]
fn ip_groups_and_whitelists_are_kept_straight() {
    let mut world = World::settled();
    let Ids { listener, .. } = world.dedicated.clone();
    let shared = world.shared.listener.clone();
    world.run(|elb, _, at| {
        let bad = json!({ "ip_list": [{ "ip": "300.0.0.1" }] });
        check("no address", elb.create_ip_group(at, fields(bad)).map(|_| ()), 400);
        let twice = json!({ "ip_list": [{ "ip": "192.0.2.1" }, { "ip": "192.0.2.1" }] });
        check("twice", elb.create_ip_group(at, fields(twice)).map(|_| ()), 400);
        let group =
            json!({ "name": "g", "ip_list": [{ "ip": "192.0.2.0/24" }, { "ip": "198.51.100.7-198.51.100.9" }] });
        let group = elb.create_ip_group(at, fields(group)).unwrap();
        let inside = |elb: &Elb, address: &str| elb.ip_group(at, &group).unwrap().contains(address.parse().unwrap());
        assert_eq!(
            ["192.0.2.9", "198.51.100.8", "198.51.100.10"].map(|address| inside(elb, address)),
            [true, true, false]
        );
        elb.shrink_ip_group(at, &group, &["192.0.2.0/24".to_owned()]).unwrap();
        assert!(!inside(elb, "192.0.2.9"));
        let used = json!({ "ipgroup": { "ipgroup_id": group, "type": "white" } });
        elb.update_listener(at, &listener, fields(used)).unwrap();
        check("in use", elb.delete_ip_group(at, &group), 409);
        elb.update_listener(at, &listener, fields(json!({ "ipgroup": null }))).unwrap();
        check("in use no more", elb.delete_ip_group(at, &group), 0);

        let list = json!({ "listener_id": shared, "whitelist": "192.0.2.0/24, 198.51.100.7" });
        let id = elb.create_whitelist(at, fields(list.clone())).unwrap();
        check("a second one", elb.create_whitelist(at, fields(list)).map(|_| ()), 409);
        let admits = |elb: &Elb, address: &str| elb.whitelist(at, &id).unwrap().admits(address.parse().unwrap());
        assert_eq!(["198.51.100.7", "198.51.100.8"].map(|address| admits(elb, address)), [true, false]);
        elb.update_whitelist(at, &id, fields(json!({ "enable_whitelist": false }))).unwrap();
        assert!(admits(elb, "198.51.100.8"));
    });
}

#[test]
fn a_change_touches_only_what_may_change() {
    for (what, change, expected) in [
        ("a setting", json!({ "keepalive_timeout": 100 }), 0),
        ("back to the default", json!({ "keepalive_timeout": null }), 0),
        ("the port", json!({ "protocol_port": 81 }), 400),
        ("the protocol", json!({ "protocol": "UDP" }), 400),
        ("the owner", json!({ "loadbalancer_id": "x" }), 400),
        ("an unknown field", json!({ "colour": "red" }), 400),
    ] {
        let mut world = World::settled();
        let id = world.dedicated.listener.clone();
        check(what, world.run(|elb, _, at| elb.update_listener(at, &id, fields(change))), expected);
    }
}

#[test]
fn another_project_sees_nothing() {
    let mut world = World::settled();
    let ids = world.dedicated.clone();
    world.at.project = "another".to_owned();
    world.run(|elb, net, at| {
        check("load balancer", elb.delete_load_balancer(net, at, &ids.load_balancer), 404);
        check("listener", elb.delete_listener(at, &ids.listener), 404);
        check("pool", elb.delete_pool(at, &ids.pool), 404);
        check("member", elb.delete_member(at, &ids.pool, &ids.member), 404);
        check("monitor", elb.delete_monitor(at, &ids.monitor), 404);
        assert!(elb.tree(net, &at.project).is_empty());
    });
}

#[test]
fn trees_of_the_same_made_otherwise_are_the_same() {
    let one = World::settled();
    let mut other = World::settled();
    let tree = |world: &World| world.state.elb.tree(&world.state, PROJECT);
    let ids = other.dedicated.clone();
    other.run(|elb, net, at| elb.force_delete_load_balancer(net, at, &ids.load_balancer)).unwrap();
    assert_ne!(tree(&one), tree(&other));
    let body =
        json!({ "name": "d", "vip_subnet_cidr_id": NEUTRON_SUBNET, "availability_zone_list": ["ap-southeast-1a"] });
    let again = other.run(|elb, net, at| elb.create_dedicated(net, at, fields(body))).unwrap();
    other.fill(again);
    assert_eq!(tree(&one), tree(&other));
}

#[test]
fn weights_are_shares_of_the_turns() {
    let mut world = World::settled();
    let Ids { pool, member, .. } = world.dedicated.clone();
    let free = world.address("node-1");
    world.run(|elb, net, at| {
        elb.update_member(at, &pool, &member, fields(json!({ "weight": 100 }))).unwrap();
        let second = json!({ "address": free, "protocol_port": 30080, "subnet_cidr_id": NEUTRON_SUBNET, "weight": 50 });
        elb.create_member(net, at, &pool, fields(second), false).unwrap();
    });
    let vip = world.state.elb.load_balancers.get(&world.dedicated.load_balancer).unwrap().fields.vip_address;
    let frontends = world.state.elb.frontends(|_| Vec::new());
    let frontend = frontends.iter().find(|frontend| Some(frontend.address) == vip).unwrap();
    let turns: Vec<_> = frontend.members.iter().map(|member| member.ip().to_string()).collect();
    let first = world.address("node-0");
    assert_eq!(turns, [first.clone(), free, first]);
}
