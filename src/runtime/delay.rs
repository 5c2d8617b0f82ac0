//! Waiting.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use futures_util::future::{Either, select};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Closure<dyn FnMut()>, ms: u32) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: &JsValue);
}

/// What comes of something, if it does so within this many milliseconds; after that it is dropped.
pub async fn within<T>(ms: u64, done: impl Future<Output = T>) -> Option<T> {
    let (done, late) = (pin!(done), pin!(Delay::from(Duration::from_millis(ms))));
    match select(done, late).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

/// Waits.
pub struct Delay {
    ms: u32,
    timer: Option<(JsValue, Closure<dyn FnMut()>)>,
    is_over: Rc<Cell<bool>>,
}

impl From<Duration> for Delay {
    fn from(duration: Duration) -> Delay {
        Delay { ms: duration.as_millis() as u32, timer: None, is_over: Rc::default() }
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, poller: &mut Poller<'_>) -> Poll<()> {
        if self.is_over.get() {
            return Poll::Ready(());
        }
        if self.timer.is_none() {
            let (waker, is_over) = (poller.waker().clone(), self.is_over.clone());
            let wake = Closure::new(move || {
                is_over.set(true);
                waker.wake_by_ref();
            });
            self.timer = Some((set_timeout(&wake, self.ms), wake));
        }
        Poll::Pending
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        // JavaScript must not call what is gone.
        if let Some((id, _)) = self.timer.as_ref().filter(|_| !self.is_over.get()) {
            clear_timeout(id);
        }
    }
}
