//! Two tenants in one account, one of them hostile: whatever its Services say, they reach nothing of the other's.

use std::collections::BTreeMap;

use cloud_provider_api::error::Reason;
use provider_kit::{Tenant, tenancy::testing::Told};
use serde_json::{Value, json};
use simulators::huawei::state;

use super::{
    super::listing::owned_by,
    rig::{EIP, GATEWAY, Rig, Service},
};

const EIP_OPTION: &str = "elb.eip-auto-create-option";

fn set(ids: &[&str]) -> std::collections::BTreeSet<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// A tenant without limits, in an account it shares.
fn tenant(name: &str) -> Tenant {
    Tenant { name: name.to_owned(), shares_account: true, ..Tenant::default() }
}

/// The hostile one: few things are allowed.
fn hostile() -> Tenant {
    Tenant {
        classes: set(&["shared", "dnat"]),
        subnets: set(&[state::NEUTRON_SUBNET]),
        billing: set(&["traffic"]),
        max_bandwidth: Some(10),
        uses: set(&[GATEWAY]),
        ..tenant("b")
    }
}

fn eip(size: u32, charge: &str) -> String {
    json!({"ip_type": "5_bgp", "bandwidth_size": size, "share_type": "PER", "charge_mode": charge}).to_string()
}

/// Everything in the cloud, as it is.
fn everything(rig: &Rig) -> Value {
    rig.sim.look(|cloud| serde_json::to_value((&cloud.elb, &cloud.nat, &cloud.publicips)).unwrap())
}

fn ids(rig: &Rig) -> Vec<String> {
    rig.sim.look(|cloud| cloud.elb.load_balancers.iter().map(|lb| lb.id.clone()).collect())
}

struct World {
    rig: Rig,
    /// Of tenant `a`.
    theirs: Service,
    /// Its load balancer, and the public addresses of it and of nobody.
    balancer: String,
    address: String,
    eips: BTreeMap<String, String>,
    /// Made by hand, tagged for `a`; made by hand, and nobody's.
    tagged: String,
    nobodys: String,
}

impl World {
    async fn start() -> Self {
        let mut rig = Rig::start().await;
        // A user's free address, which an administrator may give to somebody.
        let free = rig.users_address().await;
        rig.tenant = tenant("a");
        let mut theirs = rig.service("shared").await.with(EIP);
        rig.ensure(&mut theirs).await;
        let balancer = ids(&rig).remove(0);
        let by_hand = async |name: &str, tags: Value| {
            let lb = json!({"loadbalancer": {"name": name, "vip_subnet_cidr_id": state::NEUTRON_SUBNET,
                "availability_zone_list": ["ap-southeast-1a"], "tags": tags}});
            rig.make_by_hand(&["v3", "elb", "loadbalancers"], &lb).await;
            rig.sim.look(|cloud| {
                cloud.elb.load_balancers.iter().find(|lb| lb.fields.name == name).expect("just made").id.clone()
            })
        };
        let tagged = by_hand("by-hand", json!([{"key": "k8s-tenant", "value": "a"}])).await;
        let nobodys = by_hand("nobodys", json!([])).await;
        let eips: BTreeMap<String, String> = rig.sim.look(|cloud| {
            cloud.publicips.iter().map(|eip| (eip.public_ip_address.to_string(), eip.id.clone())).collect()
        });
        let address = eips.keys().find(|address| **address != free).expect("that of the Service").clone();
        rig.tenant = hostile();
        Self { rig, theirs, balancer, address, eips, tagged, nobodys }
    }

    async fn hostile(&self, class: &str) -> Service {
        self.rig.service(class).await.change(|s| (s.uid, s.name) = ("u2".to_owned(), "web".to_owned()))
    }
}

#[tokio::test]
async fn a_hostile_tenant_reaches_nothing_of_anothers() {
    let world = World::start().await;
    let (shared, dnat) = (world.hostile("shared").await, world.hostile("dnat").await);
    let free = dnat.spec.load_balancer_ip.clone();
    let by = |annotation: &'static str, value: &str| shared.clone().with((annotation, value));
    let address = |address: &str| dnat.clone().change(|s| address.clone_into(&mut s.spec.load_balancer_ip));
    let bandwidth = json!({"ip_type": "5_bgp", "share_type": "WHOLE", "share_id": "bandwidth-of-a"}).to_string();
    let attempts = [
        ("another Service's load balancer", by("elb.id", &world.balancer), "may use"),
        ("a load balancer tagged for another", by("elb.id", &world.tagged), "may use"),
        ("nobody's load balancer", by("elb.id", &world.nobodys), "may use"),
        ("a load balancer that is not there", by("elb.id", "00000000-dead"), "may use"),
        ("adopting another Service's", by("elb.adopt", &world.balancer), "may use"),
        ("adopting one tagged for another", by("elb.adopt", &world.tagged), "may use"),
        ("adopting nobody's", by("elb.adopt", &world.nobodys), "may use"),
        ("adopting one that is not there", by("elb.adopt", "00000000-dead"), "may use"),
        ("another Service's public address", by("elb.eip-id", &world.eips[&world.address]), "may use"),
        ("a free public address", by("elb.eip-id", &world.eips[&free]), "may use"),
        ("a public address that is not there", by("elb.eip-id", "00000000-dead"), "may use"),
        ("a free public address by itself", address(&free), "may use"),
        ("another Service's public address by itself", address(&world.address), "may use"),
        ("a public address nobody has", address("203.0.113.77"), "may use"),
        ("another's NAT gateway", dnat.clone().with(("natgateway.id", "gateway-of-a")), "may use"),
        ("another's certificate", by("elb.cert-id", "certificate-of-a"), "may use"),
        ("another's IP group", by("elb.acl-id", "group-of-a"), "may use"),
        ("another's bandwidth", by(EIP_OPTION, &bandwidth), "may use"),
        ("another's enterprise project", by("elb.enterpriseID", "project-of-a"), "may use"),
        ("a class that is not allowed", world.hostile("dedicated").await, "not a kind of load balancer"),
        ("a subnet that is not allowed", by("elb.subnet-id", "subnet-of-a"), "not a subnet"),
        ("more bandwidth than allowed", by(EIP_OPTION, &eip(11, "traffic")), "may have 10"),
        ("a way of paying that is not allowed", by(EIP_OPTION, &eip(5, "bandwidth")), "not a way of paying"),
    ];
    let before = everything(&world.rig);
    let mut told = Told::without(&["\"a\"", "u1"]);
    for (case, service, reason) in &attempts {
        told.refused(case, world.rig.ensure_once(service).await, reason);
        told.refused(case, world.rig.plan(service).await, reason);
    }
    assert_eq!(told.count(), 23);
    let nothing = ("a load balancer that is not there", "00000000-dead");
    told.alike(("another Service's load balancer", &world.balancer), nothing);
    told.alike(("nobody's load balancer", &world.nobodys), nothing);
    // Going takes nothing along, whatever it says by then.
    for (case, service, _) in &attempts {
        let service = service.clone().change(|s| s.handle = world.theirs.handle.clone());
        world.rig.delete(&service).await;
        assert_eq!(everything(&world.rig), before, "{case}");
    }
}

#[tokio::test]
async fn anothers_handle_and_name_lead_nowhere() {
    let mut world = World::start().await;
    let before = ids(&world.rig);
    // The same name, and the handle of the other's.
    let mut ours = world.hostile("shared").await.change(|s| s.handle = world.theirs.handle.clone());
    assert_eq!(world.rig.look(&ours).await.unwrap_err().reason(), Reason::ObjectAbsent);
    assert_eq!(world.rig.update_members(&mut ours.clone()).await.unwrap_err().reason(), Reason::ObjectAbsent);
    world.rig.ensure(&mut ours).await;
    let made: Vec<String> = ids(&world.rig).into_iter().filter(|id| !before.contains(id)).collect();
    assert_eq!(ours.handle, format!("elb:{}", made[0]));
    assert!(made.len() == 1 && !ours.handle.contains(&world.balancer));
    // Even who knows the other Service's UID sees nothing, as long as it is not that tenant.
    let stolen = world.theirs.clone();
    assert_eq!(world.rig.look(&stolen).await.unwrap_err().reason(), Reason::ObjectAbsent);
    world.rig.delete(&stolen).await;
    let left = ids(&world.rig);
    assert!(before.iter().all(|id| left.contains(id)), "{before:?} {left:?}");
    world.rig.tenant = tenant("a");
    assert!(world.rig.look(&stolen).await.is_ok());
}

#[tokio::test]
async fn what_an_administrator_gives_may_be_used_and_a_tag_gives() {
    let mut world = World::start().await;
    world.rig.tenant = Tenant { uses: set(&[&world.nobodys]), classes: set(&[]), ..hostile() };
    let mut listed = world.hostile("dedicated").await.with(("elb.id", &world.nobodys));
    world.rig.ensure(&mut listed).await;
    world.rig.tenant = tenant("a");
    let mut tagged = world.theirs.clone().change(|s| {
        (s.uid, s.handle) = ("u3".to_owned(), String::new());
        s.annotations.clear();
    });
    tagged = tagged.with(("elb.class", "dedicated")).with(("elb.id", &world.tagged));
    world.rig.ensure(&mut tagged).await;
    // Of an account of its own a tenant may name everything but what is another's by its record.
    world.rig.tenant = Tenant { shares_account: false, ..tenant("c") };
    let own = |id: &str| tagged.clone().with(("elb.id", id)).change(|s| s.uid = "u4".to_owned());
    let error = world.rig.ensure_once(&own(&world.tagged)).await.unwrap_err();
    assert_eq!(error.reason(), Reason::NotOurs);
    let error = world.rig.ensure_once(&own("00000000-dead")).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ReferenceMissing);
}

#[tokio::test]
async fn quotas_hold_at_once_and_are_counted_in_the_clouds_record() {
    let mut world = World::start().await;
    world.rig.tenant = Tenant { max_load_balancers: Some(2), max_public_addresses: Some(1), ..hostile() };
    // The lists are far behind: what is made at the same time counts all the same.
    world.rig.lag(std::time::Duration::from_secs(20));
    let numbered = async |n: u32| world.hostile("shared").await.change(|s| s.uid = format!("n{n}"));
    let mut made = Vec::new();
    for n in 0..2 {
        let mut service = numbered(n).await;
        if n == 0 {
            service = service.with((EIP_OPTION, &eip(5, "traffic")));
        }
        world.rig.ensure(&mut service).await;
        made.push(service);
    }
    let third = numbered(2).await;
    let error = world.rig.ensure_once(&third).await.unwrap_err();
    assert_eq!(error.reason(), Reason::QuotaExhausted);
    assert!(error.message().contains("\"b\" may have 2 load balancers and has 2"), "{}", error.message());
    // After a restart the cloud's record alone says so.
    world.rig.lag(std::time::Duration::ZERO);
    world.rig.restart();
    assert_eq!(world.rig.ensure_once(&third).await.unwrap_err().reason(), Reason::QuotaExhausted);
    let wide = made[1].clone().with((EIP_OPTION, &eip(5, "traffic"))).change(|s| s.hash = "s2-m1".to_owned());
    let error = world.rig.ensure_once(&wide).await.unwrap_err();
    assert!(error.message().contains("may have 1 public addresses and has 1"), "{}", error.message());
    world.rig.delete(&made[0]).await;
    let mut third = third;
    world.rig.ensure(&mut third).await;
}

#[tokio::test]
async fn a_tenant_is_shown_its_own_and_marked_on_what_is_made() {
    for class in ["dedicated", "shared"] {
        let mut world = World::start().await;
        let tags = |center: &str| [("cost-center".to_owned(), center.to_owned())].into();
        world.rig.tenant = Tenant { tags: tags("4711"), ..tenant("c") };
        let mut ours = world.hostile(class).await;
        world.rig.ensure(&mut ours).await;
        let cluster = ours.key().cluster.unwrap();
        let all = world.rig.all().await;
        let shown = |tenant: &Tenant| -> Vec<String> {
            let shown = all.iter().filter_map(|lb| owned_by(&cluster, tenant, &tenant.name, lb));
            shown.map(|owned| owned.key.unwrap().service_uid).collect()
        };
        assert_eq!(shown(&tenant("a")), ["u1"]);
        assert_eq!(shown(&tenant("c")), ["u2"]);
        assert!(shown(&tenant("b")).is_empty() && shown(&tenant("")).is_empty());
        let lb = all.iter().find(|lb| lb.description.contains("u2")).unwrap();
        let on: BTreeMap<&str, &str> = lb.tags.iter().map(crate::api::elb::Tag::pair).collect();
        assert_eq!((on["k8s-tenant"], on["cost-center"]), ("c", "4711"), "{class}");
        assert!(lb.description.contains("tenant=c"), "{}", lb.description);
        // Another who pays, from the next change on, and then all is quiet.
        world.rig.tenant.tags = tags("4712");
        ours.hash = "s2-m1".to_owned();
        world.rig.ensure(&mut ours).await;
        let all = world.rig.all().await;
        let lb = all.iter().find(|lb| lb.description.contains("u2")).unwrap();
        let on: Vec<_> =
            lb.tags.iter().map(crate::api::elb::Tag::pair).filter(|(key, _)| *key == "cost-center").collect();
        assert_eq!(on, [("cost-center", "4712")], "{class}");
        assert!(world.rig.plan(&ours).await.unwrap().is_empty(), "{class}");
    }
}

#[tokio::test]
async fn what_was_made_before_there_were_tenants_becomes_its_tenants() {
    let mut world = World::start().await;
    world.rig.tenant = Tenant::default();
    let mut service = world.hostile("shared").await;
    world.rig.ensure(&mut service).await;
    world.rig.tenant = tenant("c");
    service.hash = "s2-m1".to_owned();
    let before = ids(&world.rig);
    world.rig.ensure(&mut service).await;
    assert_eq!(ids(&world.rig), before, "nothing is made again");
    world.rig.tenant = Tenant::default();
    assert_eq!(world.rig.look(&service).await.unwrap_err().reason(), Reason::ObjectAbsent, "it is c's now");
}
