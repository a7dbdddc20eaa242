//! One emulator for all processes of this machine that use it, ended when the last of them is gone.
//!
//! Who uses it holds a shared lock on a file for as long as its process lives. The first one starts the emulator under
//! a watcher (`watch.sh`), which ends it once nobody has held the lock for a few seconds. A process that is killed lets
//! go like any other. Must not know: what an emulator is asked for.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Long enough for the next test binary of a run to begin.
const IDLE_SECONDS: u32 = 5;
/// A busy machine takes a while to start Java.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(60);
const RUNS_TIMEOUT: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What to run, and how to know that it is ready.
pub(crate) struct Plan<'a> {
    /// Who has the same name shares the same emulator.
    pub(crate) name: &'a str,
    pub(crate) port: u16,
    pub(crate) command: Vec<String>,
    /// Whether what listens on the port serves.
    pub(crate) is_ready: &'a dyn Fn() -> bool,
}

/// A lock that says: somebody uses it. Held until this is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct InUse {
    _users: File,
    folder: PathBuf,
}

/// Starts what `plan` says, unless it runs already, and holds it.
///
/// # Panics
/// When it does not become ready, or something else is on its port.
pub(crate) fn hold(plan: &Plan) -> InUse {
    let held = try_hold(plan);
    held.unwrap_or_else(|error| panic!("the emulator `{}` cannot be started: {error}", plan.name))
}

fn try_hold(plan: &Plan) -> io::Result<InUse> {
    let folder = folder()?;
    let start = open(&folder, plan.name, "start")?;
    // One at a time decides whether it has to be started, and the watcher ends nothing meanwhile.
    start.lock()?;
    let users = open(&folder, plan.name, "users")?;
    users.lock_shared()?;
    if TcpStream::connect(("127.0.0.1", plan.port)).is_ok() {
        // Whoever started it has waited for it before letting go of the start.
        if wait_until(RUNS_TIMEOUT, plan.is_ready) {
            return Ok(InUse { _users: users, folder });
        }
        return Err(io::Error::other(format!("port {} is taken by what does not serve; end that first", plan.port)));
    }
    watch(plan, &folder)?;
    if wait_until(START_TIMEOUT, plan.is_ready) {
        return Ok(InUse { _users: users, folder });
    }
    let said = fs::read_to_string(folder.join(format!("{}.log", plan.name))).unwrap_or_default();
    Err(io::Error::other(format!("it does not serve on port {}; it said: {said}", plan.port)))
}

impl InUse {
    /// The process of the emulator `name`, where this machine's tests have started it.
    pub(crate) fn process_id(&self, name: &str) -> Option<u32> {
        fs::read_to_string(self.folder.join(format!("{name}.pid"))).ok()?.trim().parse().ok()
    }
}

/// The same folder for every process of one user: of whoever owns the test programs.
fn folder() -> io::Result<PathBuf> {
    use std::os::unix::fs::MetadataExt;

    let user = fs::metadata(env::current_exe()?)?.uid();
    let folder = env::temp_dir().join(format!("tollgate-emulators-{user}"));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn open(folder: &Path, name: &str, what: &str) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).read(true).open(folder.join(format!("{name}.{what}")))
}

/// In a process group of its own: what ends a test run by its group leaves the watcher, which then sees that nobody is left.
fn watch(plan: &Plan, folder: &Path) -> io::Result<()> {
    use std::os::unix::process::CommandExt;

    let mut command = Command::new("bash");
    command.args(["-c", include_str!("watch.sh"), "watch.sh", plan.name]);
    command.args([plan.port.to_string(), IDLE_SECONDS.to_string()]).args(&plan.command);
    command.current_dir(folder).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Nobody waits for it: it outlives this process, unless this one is there to the end.
    command.spawn().map(drop)
}

/// Whether `holds` before `timeout` is over.
#[allow(clippy::disallowed_methods, reason = "waits for another program")]
pub(crate) fn wait_until(timeout: Duration, holds: &dyn Fn() -> bool) -> bool {
    let began = Instant::now();
    while !holds() {
        if began.elapsed() > timeout {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
    true
}
