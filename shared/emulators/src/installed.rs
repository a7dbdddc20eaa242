//! Where gcloud's packages put the emulators on this machine, and how to get them where they are not.

use std::{
    env,
    path::{Path, PathBuf},
};

/// A part that may be missing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// As `TOLLGATE_REQUIRE` names it.
    pub(crate) name: &'static str,
    /// From gcloud's folder on.
    program: &'static str,
    /// What it needs on the path.
    needs: &'static [&'static str],
    pub(crate) how_to_get: &'static str,
}

pub(crate) const SPANNER: Part = Part {
    name: "spanner",
    program: "bin/cloud_spanner_emulator/gateway_main",
    needs: &["bash", "flock"],
    how_to_get: "gcloud components install cloud-spanner-emulator, or apt-get install \
                 google-cloud-cli-spanner-emulator; and bash and flock (util-linux)",
};

pub(crate) const PUBSUB: Part = Part {
    name: "pubsub",
    program: "platform/pubsub-emulator/bin/cloud-pubsub-emulator",
    needs: &["bash", "flock", "java"],
    how_to_get: "gcloud components install pubsub-emulator, or apt-get install google-cloud-cli-pubsub-emulator; and \
                 Java (apt-get install default-jre-headless), bash and flock (util-linux)",
};

impl Part {
    /// Its program, where all that it needs is there too. `CLOUDSDK_ROOT` says where gcloud is, else the path does.
    pub(crate) fn find(self) -> Option<PathBuf> {
        let sdk = match env::var_os("CLOUDSDK_ROOT") {
            Some(folder) => PathBuf::from(folder),
            None => on_path("gcloud")?.canonicalize().ok()?.parent()?.parent()?.to_owned(),
        };
        let program = sdk.join(self.program);
        (program.is_file() && self.needs.iter().all(|needed| on_path(needed).is_some())).then_some(program)
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file: &PathBuf| Path::is_file(file))
}
