//! What is erased is gone from the file, not only from its rows; and the file is its owner's alone.

use std::os::unix::fs::PermissionsExt;

use tollgate_gateway::{
    contract::{Samples, Story},
    ports::Store,
};

use crate::subject::{OnFile, options};

#[tokio::test]
async fn an_erased_token_does_not_linger_in_the_file() {
    const TOKEN: &str = "pm_of_a_payer_who_trusts_us";
    let subject = OnFile::with(options(1).ephemeral());
    let samples = Samples::new(130);
    let opened = |_| {
        let mut new = samples.new_payment();
        new.payment_method = TOKEN.repeat(4);
        Story::open(&samples, new, Samples::start())
    };
    let stories: Vec<Story<'_>> = (0..100).map(opened).collect();
    for story in &stories {
        subject.store.commit(story.last()).await.unwrap();
    }
    fold(&subject);
    assert!(holds(&subject, TOKEN), "needed while the operation is open");
    for story in &stories {
        subject.store.commit(&story.rival(Story::authorized)).await.unwrap();
    }
    fold(&subject);
    assert!(!holds(&subject, TOKEN));
}

#[tokio::test]
async fn the_file_and_its_log_are_their_owners_alone() {
    let subject = OnFile::with(options(1));
    let samples = Samples::new(131);
    subject.store.commit(samples.opened().last()).await.unwrap();
    let name = subject.path().to_str().unwrap().to_owned();
    for file in [name.clone(), format!("{name}-wal"), format!("{name}-shm")] {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

fn holds(subject: &OnFile, token: &str) -> bool {
    let bytes = std::fs::read(subject.path()).unwrap();
    bytes.windows(token.len()).any(|window| window == token.as_bytes())
}

/// Folds the log back into the file.
fn fold(subject: &OnFile) {
    let busy: i64 = subject.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
}
