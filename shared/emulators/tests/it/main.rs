//! The emulators as tests use them: several processes and threads at once, and processes that are killed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tollgate_emulators::{own_pubsub, pubsub, spanner};

/// Says to this program that it is the child of a test.
const CHILD: &str = "EMULATORS_TEST_CHILD";

/// Runs the test `name` of this program in a process of its own.
fn child(name: &str) -> Child {
    let program = std::env::current_exe().expect("a test is a program");
    let mut command = Command::new(program);
    command.args([name, "--exact", "--nocapture"]).env(CHILD, "1").stdout(Stdio::piped()).spawn().expect("it starts")
}

/// What a child says behind `uses`.
fn hear(child: &mut Child) -> String {
    let stdout = child.stdout.as_mut().expect("it is heard");
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    lines.find_map(|line| line.split_once("uses ").map(|(_, said)| said.to_owned())).expect("it says what it uses")
}

#[allow(clippy::print_stdout, reason = "a child speaks to its parent")]
fn say(what: &str) {
    println!("uses {what}");
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[test]
fn threads_share_an_emulator_and_have_a_database_each() {
    let Some(emulator) = spanner() else { return };
    let threads: Vec<_> = thread::scope(|scope| {
        let each =
            (0..8).map(|_| scope.spawn(|| spanner().map(|spanner| spanner.create_database()))).collect::<Vec<_>>();
        each.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
    });
    let names: BTreeSet<&str> = threads.iter().map(tollgate_emulators::Database::name).collect();
    assert_eq!(names.len(), 8);
    assert!(TcpStream::connect(emulator.host()).is_ok());
}

#[test]
fn child_that_uses_the_emulators() {
    if !is_child() {
        return;
    }
    let (spanner, pubsub) = (spanner().unwrap(), pubsub().unwrap());
    say(&format!("{} {} {}", spanner.create_database().name(), pubsub.host(), pubsub.create_topic()));
}

#[test]
fn processes_that_start_at_once_share_the_emulators() {
    if spanner().is_none() || pubsub().is_none() {
        return;
    }
    let mut children: Vec<Child> = (0..6).map(|_| child("child_that_uses_the_emulators")).collect();
    let said: BTreeSet<String> = children.iter_mut().map(hear).collect();
    assert_eq!(said.len(), 6, "{said:?}");
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn child_that_is_killed_while_it_uses_one() {
    if !is_child() {
        return;
    }
    let own = own_pubsub().unwrap();
    say(own.pubsub().host());
    loop {
        thread::park();
    }
}

#[test]
fn the_emulator_of_a_process_that_was_killed_ends() {
    ends_with_its_user(|_| {});
}

#[test]
fn it_ends_though_somebody_tidied_up_its_files() {
    ends_with_its_user(|user| {
        let folders = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
        let ours = folders.filter(|folder| folder.file_name().to_string_lossy().starts_with("tollgate-emulators-"));
        let mut files = ours.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten());
        let of_user = format!("-{:x}-", user.id());
        let mut removed = 0;
        while let Some(file) = files.find(|file| file.file_name().to_string_lossy().contains(&of_user)) {
            std::fs::remove_file(file.path()).unwrap();
            removed += 1;
        }
        assert!(removed > 0, "it has files");
    });
}

/// Does `meanwhile`, and kills who uses it later.
#[allow(clippy::disallowed_methods, reason = "waits for other processes")]
fn ends_with_its_user(meanwhile: impl Fn(&Child)) {
    if pubsub().is_none() {
        return;
    }
    let mut user = child("child_that_is_killed_while_it_uses_one");
    let host = hear(&mut user);
    meanwhile(&user);
    thread::sleep(Duration::from_secs(8));
    assert!(TcpStream::connect(&host).is_ok(), "it runs for as long as it is used");
    user.kill().unwrap();
    user.wait().unwrap();
    let ended = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(100));
        TcpStream::connect(&host).is_err()
    });
    assert!(ended, "{host} is left behind");
}

#[test]
fn one_of_ones_own_can_be_killed_and_started_again() {
    let Some(own) = own_pubsub() else { return };
    let topic = own.pubsub().create_topic();
    own.kill();
    assert!(TcpStream::connect(own.pubsub().host()).is_err());
    own.start_again();
    own.pubsub().create_topic_named(&topic);
}
