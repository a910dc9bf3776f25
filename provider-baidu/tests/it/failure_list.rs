//! Every failure known of the Go provider, by its id, with the test that shows it is gone here, or the reason why it cannot be. So are
//! the Go provider's own tests.

use std::{collections::BTreeSet, fs, path::Path};

enum Now {
    /// A function of this name, in this crate or another.
    Test(&'static str),
    /// Why there is none.
    Reason(&'static str),
}

use Now::{Reason, Test};

/// Issues and pull requests of `cloud-provider-baiducloud`.
const ISSUES: &[(u32, Now)] = &[
    (5, Test("the_private_cloud_is_served_under_its_prefix_without_addresses")),
    (13, Test("issue_13_the_subnet_is_the_annotations_the_clusters_or_the_members")),
    (14, Test("the_subnet_is_the_members_or_the_reserved_one")),
    (23, Test("addresses_are_ordered_and_the_public_ones_can_be_left_out")),
    (24, Test("absence_is_the_clouds_word_about_that_one_machine")),
    (25, Test("every_status_has_its_meaning")),
    (26, Test("issue_26_what_was_made_before_a_failure_is_used_or_removed")),
    (27, Test("every_annotation_is_read")),
    (29, Reason("annotations of nodes are the controller's to write, and it writes none of a cloud's")),
    (31, Reason("the controller compares the whole table in each pass: its tests show it")),
    (34, Test("issue_34_the_address_is_as_annotations_say")),
    (36, Test("seen_11_an_address_goes_when_the_service_is_internal_and_another_comes")),
    (38, Test("lists_that_are_behind_after_a_kill_lead_to_no_second_load_balancer_or_address")),
    (40, Test("issue_34_the_address_is_as_annotations_say")),
    (41, Test("issue_41_udp_and_tcp_share_a_port")),
    (42, Reason("HTTP listeners are not asked for by any annotation; the user's own stay where they are")),
    (43, Reason("as 42, for HTTPS")),
    (44, Test("each_kind_lives_from_nothing_to_nothing")),
    (49, Test("issue_41_udp_and_tcp_share_a_port")),
    (52, Test("each_kind_lives_from_nothing_to_nothing")),
    (56, Test("issue_56_one_that_was_deleted_by_hand_is_made_again_and_blocks_no_deletion")),
    (57, Test("issue_57_stale_annotations_lead_to_a_new_load_balancer")),
    (58, Test("long_names_are_cut_so_that_no_two_are_one")),
    (59, Test("long_names_are_cut_so_that_no_two_are_one")),
    (63, Test("a_blb_in_the_making_survives_a_kill_after_any_call")),
    (68, Test("new_servers_come_before_old_ones_go_but_for_room")),
    (70, Test("services_share_a_load_balancer_and_leave_it_as_it_was")),
    (71, Test("the_subnet_is_the_members_or_the_reserved_one")),
    (77, Test("issue_77_names_that_begin_alike_are_different")),
    (81, Test("services_share_a_load_balancer_and_leave_it_as_it_was")),
    (83, Reason("these tests")),
    (85, Test("services_on_the_users_load_balancer_come_and_go")),
    (88, Test("refusals_name_the_rule_in_the_way")),
    (101, Test("only_a_clear_no_keeps_a_node_out")),
    (104, Reason("the controller's finalizer keeps a Service until its load balancer is gone")),
    (106, Test("only_a_clear_no_keeps_a_node_out")),
    (108, Test("every_form_in_the_wild_is_read")),
    (110, Test("load_balancers_of_every_generation_are_taken_over_by_one_description")),
    (111, Test("issue_26_what_was_made_before_a_failure_is_used_or_removed")),
    (112, Test("a_storm_of_busy_answers_and_failures_ends_well")),
    (117, Test("a_blb_in_the_making_survives_a_kill_after_any_call")),
    (119, Test("issue_119_what_was_removed_by_hand_is_removed")),
    (122, Test("issue_56_one_that_was_deleted_by_hand_is_made_again_and_blocks_no_deletion")),
];

/// Weaknesses seen in its code, of load balancers, by their numbers.
const SEEN: &[(u32, Now)] = &[
    (1, Test("issue_56_one_that_was_deleted_by_hand_is_made_again_and_blocks_no_deletion")),
    (2, Test("long_names_are_cut_so_that_no_two_are_one")),
    (3, Test("seen_3_lists_are_read_to_their_end")),
    (4, Test("equal_calls_have_equal_tokens_and_others_have_others")),
    (5, Test("a_daemon_with_patience_takes_one_call_where_the_cloud_is_quick")),
    (6, Test("a_list_item_and_a_detail_are_read_alike")),
    (7, Test("services_share_a_load_balancer_and_leave_it_as_it_was")),
    (8, Test("seen_8_no_servers_means_none")),
    (9, Test("seen_9_checks_and_schedulers_are_applied")),
    (10, Reason("a daemon changes no object of Kubernetes')")),
    (11, Test("seen_11_an_address_goes_when_the_service_is_internal_and_another_comes")),
    (12, Test("seen_12_only_the_clouds_record_says_which_address_goes")),
    (13, Test("a_broken_annotation_keeps_nothing_from_being_deleted")),
];

/// The Go provider's own tests.
const TESTS: &[(&str, Now)] = &[
    ("TestVerifyNoOverlap", Reason("networks of pods are not handed out here")),
    ("TestInsertNumIntoIP", Reason("networks of pods are not handed out here")),
    ("TestGetInstanceByProviderID", Test("every_form_in_the_wild_is_read")),
    (
        "TestGetInstanceByNodeName",
        Reason("the inventory of provider-kit finds machines by name and address: its tests show it"),
    ),
    ("TestNodeAddressesByProviderID", Test("addresses_are_ordered_and_the_public_ones_can_be_left_out")),
    ("TestGetAllBackendServer", Test("one_is_made_of_each_kind_with_as_few_calls_as_will_do_and_goes_whole")),
    ("TestDeleteAllBackendServers", Test("seen_8_no_servers_means_none")),
    ("TestMergeBackend", Test("the_servers_of_many_are_stable_under_churn_and_spread_over_services")),
    ("TestReconcileBackendServers", Test("every_change_takes_its_calls_and_can_be_taken_back")),
    ("TestGetAllListeners", Test("issue_41_udp_and_tcp_share_a_port")),
    ("TestCreateListener", Test("listeners_are_made_with_what_is_said_and_changed_in_nothing_else")),
    ("TestUpdateListener", Test("listeners_are_made_with_what_is_said_and_changed_in_nothing_else")),
    ("TestDeleteListener", Test("every_change_takes_its_calls_and_can_be_taken_back")),
    ("TestReconcileListeners", Test("every_change_takes_its_calls_and_can_be_taken_back")),
    ("TestGetEipArgsFromAnnotation", Test("what_makes_no_sense_is_told_in_the_words_people_know")),
    ("TestCreateEIP", Test("issue_34_the_address_is_as_annotations_say")),
    ("TestDeleteEIP", Test("issue_119_what_was_removed_by_hand_is_removed")),
    ("TestResizeEip", Test("issue_34_the_address_is_as_annotations_say")),
    ("TestDeleteEipFinally", Test("each_kind_lives_from_nothing_to_nothing")),
    ("TestRefreshBlb", Test("issue_56_one_that_was_deleted_by_hand_is_made_again_and_blocks_no_deletion")),
    ("TestBindEip", Test("the_users_address_is_bound_and_given_back")),
    ("TestEnsureEIPWithNoSpecificIP", Test("how_an_address_is_paid_cannot_be_changed")),
    ("TestEnsureEIPWithSpecificIP", Test("the_users_address_is_bound_and_never_released")),
    ("TestGetLoadBalancer", Test("each_kind_lives_from_nothing_to_nothing")),
    ("TestEnsureLoadBalancer", Test("each_kind_lives_from_nothing_to_nothing")),
    ("TestGetBCELoadBalancer", Test("load_balancers_of_every_generation_are_taken_over_by_one_description")),
    ("TestGetBCELoadBalancerByID", Test("an_annotation_of_the_go_providers_finds_its_own_and_no_other")),
    ("TestValidateService", Test("what_cannot_be_is_refused_by_field")),
    ("TestGetVpcInfoForBLB", Test("the_subnet_is_the_members_or_the_reserved_one")),
    ("TestExtractServiceAnnotation", Test("every_annotation_is_read")),
    ("TestExtractNodeAnnotation", Test("only_a_clear_no_keeps_a_node_out")),
    ("TestGetVpcID", Test("nodes_are_known_by_their_machines")),
    ("TestIsConflict", Test("refusals_name_the_rule_in_the_way")),
    ("TestGetVpcRouteTable", Test("a_rule_is_read_whoever_made_it")),
    ("TestCheckClusterNode", Test("own_rules_are_told_from_all_others")),
    ("TestGetZone", Test("labels_keep_the_go_providers_words_where_that_is_wanted")),
    ("TestClient_CheckWhiteList", Reason("a call that only CCE's own credentials may make")),
    ("testListClusterNodes", Reason("by hand, with an account")),
];

fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.lines().filter_map(|line| {
                let line = line.trim_start().trim_start_matches("async ");
                line.strip_prefix("fn ")?.split_once('(').map(|(name, _)| name.to_owned())
            });
            found.extend(names);
        }
    }
}

#[test]
fn every_known_failure_has_a_test_or_a_reason() {
    let mut there = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "tests"] {
        functions(&root.join(folder), &mut there);
    }
    let rows = ISSUES.iter().map(|(id, now)| (format!("#{id}"), now));
    let rows = rows.chain(SEEN.iter().map(|(id, now)| (format!("11.2.{id}"), now)));
    for (id, now) in rows.chain(TESTS.iter().map(|(id, now)| ((*id).to_owned(), now))) {
        match now {
            Test(name) => assert!(there.contains(*name), "{id}: there is no test {name}"),
            Reason(why) => assert!(!why.is_empty(), "{id}"),
        }
    }
}

#[test]
fn no_known_failure_is_forgotten() {
    let issues = [
        5, 13, 14, 23, 24, 25, 26, 27, 29, 31, 34, 36, 38, 40, 41, 42, 43, 44, 49, 52, 56, 57, 58, 59, 63, 68, 70, 71,
        77, 81, 83, 85, 88, 101, 104, 106, 108, 110, 111, 112, 117, 119, 122,
    ];
    assert_eq!(ISSUES.iter().map(|(id, _)| *id).collect::<Vec<_>>(), issues);
    assert_eq!(SEEN.iter().map(|(id, _)| *id).collect::<Vec<_>>(), (1..=13).collect::<Vec<_>>());
    assert_eq!(TESTS.len(), 38);
}
