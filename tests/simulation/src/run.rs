//! Plays seeds, and says how each ended.
//!
//! Must not know: what happens in one.

use std::{
    str::FromStr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::{
    check,
    planted::Bug,
    world::{Plan, World},
};

/// Seeds from the first up to the last, without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seeds {
    first: u64,
    end: u64,
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is no seed"));
        let (first, end) = match text.split_once("..") {
            Some((first, end)) => (number(first)?, number(end)?),
            None => (number(text)?, number(text)?.saturating_add(1)),
        };
        if first < end { Ok(Self { first, end }) } else { Err("there is no seed in between".to_owned()) }
    }
}

/// How a simulation ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The same for the same seed.
    pub(crate) hash: u64,
    /// Payments that were made.
    pub(crate) payments: usize,
    /// Steps of tasks.
    pub(crate) steps: u64,
    /// What was wrong.
    pub(crate) wrong: Vec<String>,
    /// What happened to it, where it was kept.
    pub(crate) story: String,
}

/// Plays one.
pub(crate) fn simulate(plan: &Plan) -> Ended {
    let world = match World::make(plan) {
        Ok(world) => world,
        Err(error) => {
            let wrong = vec![format!("there is no world: {error:#}")];
            return Ended { hash: 0, payments: 0, steps: 0, wrong, story: String::new() };
        }
    };
    world.play(plan.payments);
    if !world.stage.story.went_wrong() {
        check::check(&world);
    }
    let story = if plan.keeps_story { world.stage.story.timeline() } else { String::new() };
    let ended = Ended {
        hash: world.stage.story.hash(),
        payments: world.stage.watch.payments(),
        steps: world.stage.executor.steps(),
        wrong: world.stage.story.wrong(),
        story,
    };
    world.end();
    ended
}

/// What to play.
pub(crate) struct Play {
    pub(crate) seeds: Seeds,
    pub(crate) payments: u64,
    pub(crate) story: bool,
    pub(crate) hashes: bool,
    pub(crate) seconds: Option<u64>,
    pub(crate) threads: usize,
}

/// Plays seeds until one fails; answers whether none did.
#[allow(clippy::print_stdout, reason = "this is what the program is for")]
#[allow(clippy::disallowed_methods, reason = "it measures itself, in real time")]
pub(crate) fn play(asked: &Play) -> bool {
    let (started, next) = (Instant::now(), AtomicU64::new(asked.seeds.first));
    let (failed, payments, worlds) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let is_over = || asked.seconds.is_some_and(|seconds| started.elapsed() > Duration::from_secs(seconds));
    let work = || {
        while !failed.load(Ordering::Relaxed) && !is_over() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= asked.seeds.end {
                return;
            }
            let plan = Plan { seed, payments: asked.payments, bug: None, keeps_story: asked.story };
            let ended = simulate(&plan);
            payments.fetch_add(ended.payments as u64, Ordering::Relaxed);
            worlds.fetch_add(1, Ordering::Relaxed);
            if asked.story {
                println!("{}", ended.story);
            }
            if asked.hashes {
                let Ended { payments, steps, hash, .. } = &ended;
                println!("seed {seed}: {payments} payments, {steps} steps, hash {hash:016x}");
            }
            if !ended.wrong.is_empty() {
                failed.store(true, Ordering::Relaxed);
                show_failure(&plan, &ended);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..asked.threads.max(1) {
            scope.spawn(work);
        }
    });
    let (payments, worlds) = (payments.into_inner(), worlds.into_inner());
    let seconds = started.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let rate = payments as f64 / seconds;
    let verdict = if failed.load(Ordering::Relaxed) { "FAILED" } else { "clean" };
    println!(
        "{verdict}: seeds {}..{}, {worlds} worlds, {payments} payments in {seconds:.1} s ({rate:.0} a second)",
        asked.seeds.first,
        asked.seeds.first + worlds,
    );
    !failed.into_inner()
}

/// The same seed again, with its story.
#[allow(clippy::print_stdout, reason = "this is what the program is for")]
fn show_failure(plan: &Plan, ended: &Ended) {
    let again = simulate(&Plan { keeps_story: true, ..*plan });
    println!("{}", again.story);
    println!("seed {} FAILED:", plan.seed);
    for wrong in &ended.wrong {
        println!("  {wrong}");
    }
    if again.hash == ended.hash {
        println!("  play it again: simulation --seeds {} --payments {}", plan.seed, plan.payments);
    } else {
        println!("  and it does not replay: {:016x}, then {:016x}", ended.hash, again.hash);
    }
}

/// Plants each bug, and says within how many seeds it is caught; answers whether all were.
#[allow(clippy::print_stdout, reason = "this is what the program is for")]
pub(crate) fn plant(seeds: Seeds, payments: u64, only: &str) -> bool {
    let (mut all, mut caught) = (0, 0);
    for bug in Bug::ALL.into_iter().filter(|bug| bug.name().contains(only)) {
        all += 1;
        match find(bug, seeds, payments) {
            Some((tries, wrong)) => {
                caught += 1;
                println!("caught  {:<32} after {tries:>3}: {wrong}", bug.name());
            }
            None => println!("missed  {:<32} in {} seeds", bug.name(), seeds.end - seeds.first),
        }
    }
    println!("{caught} of {all} caught");
    all == caught
}

/// In how many seeds a bug is found, and what was seen of it.
pub(crate) fn find(bug: Bug, seeds: Seeds, payments: u64) -> Option<(u64, String)> {
    (seeds.first..seeds.end).find_map(|seed| {
        let ended = simulate(&Plan { seed, payments, bug: Some(bug), keeps_story: false });
        let wrong = ended.wrong.into_iter().next()?;
        Some((seed - seeds.first + 1, wrong))
    })
}
