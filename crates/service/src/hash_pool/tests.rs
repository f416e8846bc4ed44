//! One hasher that hangs, beside others and before its successor.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::*;

/// A hasher in which one secret hangs until it is let go; it says when it does.
struct Waits {
    name: String,
    hangs: mpsc::Sender<()>,
    until: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Hasher for Waits {
    fn name(&self) -> &str {
        &self.name
    }

    fn schemes(&self) -> &[String] {
        std::slice::from_ref(&self.name)
    }

    fn new_params(&self, _: &[u8]) -> std::result::Result<String, HashError> {
        Ok(format!("${}$1", self.name))
    }

    fn derive(&self, secret: &[u8], _: &str) -> std::result::Result<Vec<u8>, HashError> {
        if secret == b"hang" {
            self.hangs.send(()).expect("somebody listens");
            let _told = self.until.lock().recv();
        }
        Ok(vec![7; 32])
    }

    fn needs_rehash(&self, _: &str) -> std::result::Result<bool, HashError> {
        Ok(false)
    }
}

struct Place(Arc<dyn Hasher>, AtomicU64);

impl HasherPlace for Place {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn current(&self) -> std::result::Result<CurrentHasher, HashError> {
        Ok(CurrentHasher { generation: self.1.load(Ordering::Relaxed), hasher: Arc::clone(&self.0) })
    }

    fn unready(&self) -> Option<String> {
        None
    }
}

struct Zeros;

impl Random for Zeros {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_a_hasher_that_hangs_holds_up_neither_another_nor_its_successor() {
    let ((free, until), (hangs, inside)) = (mpsc::channel(), mpsc::channel());
    let until = Arc::new(Mutex::new(until));
    let place = |name: &str| {
        let (name, hangs, until) = (name.to_owned(), hangs.clone(), Arc::clone(&until));
        Arc::new(Place(Arc::new(Waits { name, hangs, until }), AtomicU64::new(1)))
    };
    let (bad, good) = (place("bad"), place("good"));
    let places: Vec<Arc<dyn HasherPlace>> =
        vec![Arc::clone(&bad) as Arc<dyn HasherPlace>, Arc::clone(&good) as Arc<dyn HasherPlace>];
    let hashers = Arc::new(Hashers::of(places, 1, 0));
    let digest = async |name: &str, secret: &[u8]| {
        let work = hashers.create(&Zeros, name, Zeroizing::new(secret.to_vec()));
        tokio::time::timeout(Duration::from_secs(10), work).await
    };
    let hanging = tokio::spawn({
        let hashers = Arc::clone(&hashers);
        async move { hashers.create(&Zeros, "bad", Zeroizing::new(b"hang".to_vec())).await }
    });
    tokio::task::spawn_blocking(move || inside.recv()).await.expect("runs").expect("it hangs");
    // Its one place is taken: it is busy, and says so at once.
    assert!(digest("bad", b"x").await.expect("in time").is_err());
    assert!(digest("good", b"x").await.expect("in time").is_ok());
    bad.1.store(2, Ordering::Relaxed);
    assert!(digest("bad", b"x").await.expect("in time").is_ok());
    free.send(()).expect("it waits");
    assert!(hanging.await.expect("runs").is_ok());
}
