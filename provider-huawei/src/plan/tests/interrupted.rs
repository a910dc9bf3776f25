//! A plan that dies after any of its steps is carried on by the next, to the same end.

use super::{
    cloud::World,
    rig::{DEDICATED, EIP, SHARED, Service, names},
};
use crate::plan::{
    Refusal,
    step::{Made, Step},
};

/// What a world comes to, without the ids, whose numbers tell how it came about.
fn shape(world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    for balancer in world.balancers.values() {
        lines.push(format!("lb {} {} eips {}", balancer.lb.name, balancer.owned, balancer.lb.eips.len()));
        lines.extend(
            balancer.listeners.iter().map(|l| format!("listener {} {} {}", l.protocol, l.protocol_port, l.name)),
        );
        for pool in &balancer.pools {
            let mut members: Vec<String> = balancer
                .members_of(&pool.id)
                .iter()
                .map(|m| format!("{}:{}*{:?}", m.address, m.protocol_port, m.weight))
                .collect();
            members.sort();
            let checked = !pool.healthmonitor_id.is_empty();
            lines.push(format!("pool {} {} {members:?} {checked}", pool.protocol, pool.lb_algorithm));
        }
    }
    lines.extend(world.groups.values().map(|group| format!("group {:?}", group.ip_list)));
    for (id, eip) in &world.eips {
        let bound = !eip.port_id.is_empty();
        lines.push(format!("eip {}{} bound {bound} {:?}", eip.alias, eip.bandwidth_name, world.eip_tags.get(id)));
    }
    lines.sort();
    lines
}

/// Runs `plan` to its end, dying once after `after` steps. `false`: it did not come that far.
fn run(plan: impl Fn(&World) -> Result<Vec<Step>, Refusal>, world: &mut World, after: Option<usize>) -> bool {
    let mut died = false;
    for _ in 0..50 {
        let steps = plan(world).unwrap();
        if steps.is_empty() {
            return died;
        }
        let mut made = Made::default();
        let upto = if died { steps.len() } else { after.unwrap_or(steps.len()).min(steps.len()) };
        for step in &steps[..upto] {
            world.apply(step, &mut made);
        }
        died |= after.is_some_and(|after| after < steps.len());
        if !died && after.is_some() {
            return false;
        }
    }
    panic!("never done: {:?}", names(&plan(world).unwrap()));
}

fn check(what: &str, begin: &World, plan: impl Fn(&World) -> Result<Vec<Step>, Refusal>) {
    let mut undisturbed = begin.clone();
    run(&plan, &mut undisturbed, None);
    let mut after = 0;
    loop {
        let mut world = begin.clone();
        if !run(&plan, &mut world, Some(after)) {
            break;
        }
        assert_eq!(shape(&world), shape(&undisturbed), "{what}, dying after {after} steps");
        after += 1;
    }
    assert!(after > 1, "{what}: {after} steps");
}

fn lives() -> Vec<(&'static str, Service, Service)> {
    let ranges = |s: &mut Service| s.spec.source_ranges = vec!["203.0.113.0/24".to_owned()];
    let more = |s: &mut Service| {
        s.spec.ports.push(super::rig::port(cloud_provider_api::v1::Protocol::Udp, 53, 30053));
        s.members.nodes.remove(0);
    };
    let shared = Service::new(SHARED).with(&[EIP]).change(ranges);
    let dedicated = Service::new(DEDICATED).with(&[EIP]);
    let tenants = |service: &Service| {
        service.clone().change(|s| {
            s.owner.tenant = "b".to_owned();
            s.owner.extra_tags = vec![("cost-center".to_owned(), "4711".to_owned())];
        })
    };
    let (of_tenant, pays) = (tenants(&dedicated), |s: &mut Service| s.owner.extra_tags[0].1 = "4712".to_owned());
    vec![
        (
            "a tenant's",
            tenants(&shared),
            tenants(&shared).without("eip-auto-create-option").with(&[("keep-eip", "true")]),
        ),
        ("another who pays", of_tenant.clone(), of_tenant.change(pays)),
        ("shared", shared.clone(), shared.clone().with(&[("x-forwarded-host", "true")]).change(more)),
        ("dedicated", dedicated.clone(), dedicated.clone().with(&[("lb-algorithm", "SOURCE_IP")]).change(more)),
        ("another class", shared, dedicated),
    ]
}

#[test]
fn creation_goes_on_where_it_stopped() {
    for (what, service, _) in lives() {
        check(what, &World::default(), |world| service.plan(world));
    }
}

#[test]
fn a_change_goes_on_where_it_stopped() {
    for (what, before, after) in lives() {
        let mut begin = World::default();
        before.ensure(&mut begin);
        check(what, &begin, |world| after.plan(world));
    }
}

#[test]
fn removal_goes_on_where_it_stopped_and_leaves_nothing() {
    for (what, service, _) in lives() {
        let mut begin = World::default();
        service.ensure(&mut begin);
        check(what, &begin, |world| service.removal(world));
        let mut end = begin.clone();
        run(|world| service.removal(world), &mut end, None);
        assert_eq!(shape(&end), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn removal_of_what_was_half_made_leaves_nothing() {
    for (what, service, _) in lives() {
        let steps = service.plan(&World::default()).unwrap();
        for upto in 0..=steps.len() {
            let mut world = World::default();
            let mut made = Made::default();
            steps[..upto].iter().for_each(|step| world.apply(step, &mut made));
            run(|world| service.removal(world), &mut world, None);
            assert_eq!(shape(&world), Vec::<String>::new(), "{what}, made {upto} steps of it");
        }
    }
}

#[test]
fn removal_that_keeps_an_address_goes_on_where_it_stopped_and_leaves_it_named() {
    for class in [SHARED, DEDICATED] {
        let service = Service::new(class).with(&[EIP, ("keep-eip", "true")]);
        let service = service.change(|s| s.owner.tenant = "b".to_owned());
        let mut begin = World::default();
        service.ensure(&mut begin);
        begin.eips.values_mut().for_each(|eip| (eip.alias.clear(), eip.bandwidth_name.clear()).0);
        check("kept", &begin, |world| service.removal(world));
        let mut end = begin.clone();
        run(|world| service.removal(world), &mut end, None);
        let names: Vec<&str> = end.eips.values().map(|eip| eip.alias.as_str()).collect();
        assert_eq!(names, [service.owner.address_name()]);
    }
}
