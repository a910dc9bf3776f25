use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{sync::Notify, task::yield_now, time::advance};

use super::*;

/// A machine as tests need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) ip: IpAddr,
    pub(super) vpc: &'static str,
    pub(super) leaving: bool,
}

impl Machine for Server {
    fn id(&self) -> &str {
        &self.id
    }

    fn names(&self) -> Vec<&str> {
        vec![&self.name]
    }

    fn addresses(&self) -> Vec<(IpAddr, bool)> {
        vec![(self.ip, false)]
    }

    fn is_in(&self, network: &str) -> bool {
        self.vpc == network
    }

    fn is_leaving(&self) -> bool {
        self.leaving
    }
}

/// One in `vpc-1`.
pub(super) fn machine(id: &str, name: &str, ip: &str) -> Server {
    Server { id: id.to_owned(), name: name.to_owned(), ip: ip.parse().unwrap(), vpc: "vpc-1", leaving: false }
}

/// A cloud in memory that counts what it is asked and can be told to wait, fail and forget.
#[derive(Clone, Default)]
struct Cloud(Arc<State>);

#[derive(Default)]
struct State {
    there: Mutex<Vec<Server>>,
    /// Left out of listings.
    hidden: Mutex<HashSet<String>>,
    failing: Mutex<Option<Error>>,
    /// Listings wait for it.
    gate: Mutex<Option<Arc<Notify>>>,
    lists: AtomicUsize,
    id_lists: AtomicUsize,
    shows: AtomicUsize,
}

impl Cloud {
    fn with(count: usize) -> Self {
        let cloud = Self::default();
        *cloud.0.there.lock().unwrap() = (0..count)
            .map(|n| machine(&id(n), &format!("node-{n}"), &format!("10.0.{}.{}", n / 250, n % 250)))
            .collect();
        cloud
    }

    fn inventory(&self) -> Inventory<Self> {
        Inventory::new(self.clone())
    }

    fn hide(&self, n: usize) {
        self.0.hidden.lock().unwrap().insert(id(n));
    }

    fn remove(&self, n: usize) {
        self.0.there.lock().unwrap().retain(|machine| machine.id != id(n));
    }

    fn fail(&self, error: Option<Error>) {
        *self.0.failing.lock().unwrap() = error;
    }

    fn stall(&self) -> Arc<Notify> {
        let gate = Arc::new(Notify::new());
        *self.0.gate.lock().unwrap() = Some(gate.clone());
        gate
    }

    /// Listings, listings by id, single servers.
    fn calls(&self) -> (usize, usize, usize) {
        let read = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        (read(&self.0.lists), read(&self.0.id_lists), read(&self.0.shows))
    }

    fn shown(&self, with_hidden: bool) -> Result<Vec<Server>> {
        if let Some(error) = &*self.0.failing.lock().unwrap() {
            return Err(error.clone());
        }
        let hidden = self.0.hidden.lock().unwrap();
        let there = self.0.there.lock().unwrap();
        Ok(there.iter().filter(|machine| with_hidden || !hidden.contains(&machine.id)).cloned().collect())
    }
}

impl Servers for Cloud {
    type Machine = Server;

    const PROVIDER: &'static str = "mock";
    const SCHEME: &'static str = "mock";

    async fn list(&self) -> Result<Vec<Server>> {
        self.0.lists.fetch_add(1, Ordering::SeqCst);
        let gate = self.0.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        self.shown(false)
    }

    async fn by_ids(&self, ids: &[String]) -> Result<Vec<Server>> {
        assert!(ids.len() <= Self::IDS_PER_CALL);
        self.0.id_lists.fetch_add(1, Ordering::SeqCst);
        Ok(self.shown(false)?.into_iter().filter(|machine| ids.contains(&machine.id)).collect())
    }

    async fn show(&self, id: &str) -> Result<Shown<Server>> {
        self.0.shows.fetch_add(1, Ordering::SeqCst);
        let found = self.shown(true)?.into_iter().find(|machine| machine.id == id);
        Ok(found.map_or_else(
            || Shown::Absent { evidence: "Ecs.0114".to_owned() },
            |machine| Shown::There(Box::new(machine)),
        ))
    }
}

fn id(n: usize) -> String {
    format!("{n:08x}-0000-4000-8000-000000000000")
}

fn by_id(numbers: impl IntoIterator<Item = usize>) -> Vec<Question<'static>> {
    numbers.into_iter().map(|n| Question::Id(id(n))).collect()
}

fn node(name: &str) -> Question<'_> {
    Question::Node(Clues { name, ips: Vec::new(), vpc: "" })
}

/// In a word each: the server's name, `absent`, `unidentified` or the reason of the failure.
fn words(answers: &[Result<Answer<Server>>]) -> Vec<String> {
    let word = |answer: &Result<Answer<Server>>| match answer {
        Ok(Answer { outcome: Outcome::Found(machine), .. }) => machine.name.clone(),
        Ok(Answer { outcome: Outcome::Absent { .. }, .. }) => "absent".to_owned(),
        Ok(Answer { outcome: Outcome::Unidentified(_), .. }) => "unidentified".to_owned(),
        Err(error) => error.reason().as_str().to_owned(),
    };
    answers.iter().map(word).collect()
}

fn unavailable() -> Error {
    Error::cloud("mock", Reason::CloudUnavailable, "503")
}

#[tokio::test(start_paused = true)]
async fn one_listing_answers_any_number_of_look_ups() {
    let cloud = Cloud::with(300);
    let inventory = cloud.inventory();
    for from in [0, 100, 200] {
        let answers = inventory.look_up(&by_id(from..from + 100), None).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Answer { outcome: Outcome::Found(_), .. }))));
    }
    assert_eq!(words(&inventory.look_up(&[node("node-7")], None).await), ["node-7"]);
    assert_eq!(cloud.calls(), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn machines_that_lists_lack_are_counted_until_a_list_has_them() {
    let cloud = Cloud::with(3);
    let inventory = cloud.inventory();
    cloud.hide(0);
    cloud.hide(1);
    assert_eq!(words(&inventory.look_up(&by_id(0..3), None).await), ["node-0", "node-1", "node-2"]);
    assert_eq!(inventory.unlisted(), 2);
    cloud.remove(1);
    assert_eq!(words(&inventory.look_up(&by_id([1]), Some(Duration::ZERO)).await), ["absent"]);
    cloud.0.hidden.lock().unwrap().clear();
    // A listing of this very moment would serve.
    advance(Duration::from_millis(1)).await;
    inventory.look_up(&[node("node-2")], Some(Duration::ZERO)).await;
    assert_eq!(inventory.unlisted(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_remembered_listing_serves_as_long_as_the_caller_allows() {
    let cloud = Cloud::with(1);
    let inventory = cloud.inventory();
    let ask = async |max_age| drop(inventory.look_up(&by_id([0]), max_age).await);
    ask(None).await;
    advance(Duration::from_secs(20)).await;
    ask(None).await;
    ask(Some(Duration::from_secs(20))).await;
    assert_eq!(cloud.calls().0, 1);
    ask(Some(Duration::from_secs(19))).await;
    assert_eq!(cloud.calls().0, 2);
    advance(Duration::from_secs(31)).await;
    ask(None).await;
    assert_eq!(cloud.calls().0, 3);
    advance(Duration::from_millis(1)).await;
    ask(Some(Duration::ZERO)).await;
    assert_eq!(cloud.calls().0, 4, "nothing remembered serves");
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_at_once_share_a_listing_and_its_failure() {
    let cloud = Cloud::with(2);
    let inventory = cloud.inventory();
    for failing in [false, true] {
        let before = cloud.calls().0;
        cloud.fail(failing.then(unavailable));
        let gate = cloud.stall();
        let ask = |max_age| {
            let inventory = inventory.clone();
            tokio::spawn(async move { words(&inventory.look_up(&[node("node-1")], max_age).await) })
        };
        advance(Duration::from_mins(1)).await;
        let first: Vec<_> = (0..50).map(|_| ask(None)).collect();
        while cloud.calls().0 == before {
            yield_now().await;
        }
        gate.notify_one();
        let expected = if failing { "CLOUD_UNAVAILABLE" } else { "node-1" };
        for answer in first {
            assert_eq!(answer.await.unwrap(), [expected]);
        }
        assert_eq!(cloud.calls().0, before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn who_wants_it_fresh_does_not_share_what_began_before() {
    let cloud = Cloud::with(1);
    let inventory = cloud.inventory();
    let gate = cloud.stall();
    let ask = |inventory: &Inventory<Cloud>| {
        let inventory = inventory.clone();
        tokio::spawn(async move { words(&inventory.look_up(&by_id([0]), Some(Duration::ZERO)).await) })
    };
    let first = ask(&inventory);
    while cloud.calls().0 == 0 {
        yield_now().await;
    }
    advance(Duration::from_millis(5)).await;
    let later = [ask(&inventory), ask(&inventory)];
    yield_now().await;
    gate.notify_one();
    first.await.unwrap();
    while cloud.calls().0 == 1 {
        yield_now().await;
    }
    gate.notify_one();
    for answer in later {
        assert_eq!(answer.await.unwrap(), ["node-0"]);
    }
    assert_eq!(cloud.calls().0, 2, "those who came later share the second");
}

#[tokio::test(start_paused = true)]
async fn a_listing_survives_the_caller_that_began_it() {
    let cloud = Cloud::with(1);
    let inventory = cloud.inventory();
    let gate = cloud.stall();
    let caller = {
        let inventory = inventory.clone();
        tokio::spawn(async move { inventory.look_up(&by_id([0]), None).await })
    };
    while cloud.calls().0 == 0 {
        yield_now().await;
    }
    caller.abort();
    gate.notify_one();
    assert_eq!(words(&inventory.look_up(&by_id([0]), None).await), ["node-0"]);
    assert_eq!(cloud.calls().0, 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_listing_lacks_is_asked_for_by_id_and_then_by_itself() {
    let cloud = Cloud::with(4);
    cloud.hide(1);
    cloud.remove(2);
    let inventory = cloud.inventory();
    let answers = inventory.look_up(&by_id(0..4), None).await;
    assert_eq!(words(&answers), ["node-0", "node-1", "absent", "node-3"]);
    assert_eq!(cloud.calls(), (1, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn an_empty_listing_makes_nobody_absent() {
    let cloud = Cloud::with(150);
    (0..150).for_each(|n| cloud.hide(n));
    let answers = cloud.inventory().look_up(&by_id(0..150), None).await;
    assert!(words(&answers).iter().all(|word| word.starts_with("node-")));
    assert_eq!(cloud.calls(), (1, 2, 150));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_unknown_for_all_it_concerns_and_soon_forgotten() {
    let cloud = Cloud::with(2);
    let inventory = cloud.inventory();
    cloud.fail(Some(unavailable()));
    assert_eq!(words(&inventory.look_up(&by_id(0..2), None).await), ["CLOUD_UNAVAILABLE"; 2]);
    cloud.fail(None);
    assert_eq!(words(&inventory.look_up(&by_id(0..2), None).await), ["node-0", "node-1"]);
}

#[tokio::test(start_paused = true)]
async fn few_of_many_are_asked_for_by_id() {
    let cloud = Cloud::with(1500);
    let inventory = cloud.inventory();
    inventory.look_up(&by_id(0..1), None).await;
    assert_eq!(cloud.calls(), (1, 0, 0));
    advance(Duration::from_mins(1)).await;
    let answers = inventory.look_up(&by_id(0..100), Some(Duration::ZERO)).await;
    assert_eq!(words(&answers)[99], "node-99");
    assert_eq!(cloud.calls(), (1, 1, 0));
    inventory.look_up(&by_id(0..201), Some(Duration::ZERO)).await;
    assert_eq!(cloud.calls(), (2, 1, 0), "three calls would be dearer than the two pages of a listing");
}

#[tokio::test(start_paused = true)]
async fn all_of_many_asked_for_in_batches_cost_less_than_two_listings() {
    let cloud = Cloud::with(5000);
    let inventory = cloud.inventory();
    inventory.look_up(&by_id(0..1), None).await;
    advance(Duration::from_mins(5)).await;
    let batches = (0..50).map(|batch| {
        let inventory = inventory.clone();
        async move { inventory.look_up(&by_id(batch * 100..(batch + 1) * 100), None).await }
    });
    for answers in futures::future::join_all(batches).await {
        assert!(words(&answers).iter().all(|word| word.starts_with("node-")));
    }
    assert_eq!(cloud.calls(), (2, 4, 0), "a listing is five calls");
}

#[tokio::test(start_paused = true)]
async fn a_new_node_is_looked_for_in_a_new_listing() {
    let cloud = Cloud::with(1);
    let inventory = cloud.inventory();
    inventory.look_up(&by_id([0]), None).await;
    advance(Duration::from_secs(11)).await;
    cloud.0.there.lock().unwrap().push(machine(&id(1), "new", "10.1.0.1"));
    assert_eq!(words(&inventory.look_up(&[node("new"), node("nobody")], None).await), ["new", "unidentified"]);
    assert_eq!(cloud.calls(), (2, 0, 0));
    inventory.look_up(&[node("nobody")], None).await;
    assert_eq!(cloud.calls(), (2, 0, 0), "not again at once");
}
