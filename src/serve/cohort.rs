//! Requests that are ready at the same time are scored together: all are read, then all scored, then all
//! written. Each of these steps needs more of the processor's first cache than the whole of it has, so a step that is
//! done for many in a row finds its code there, and one that takes turns with the others does not.
//!
//! The first that comes waits until this thread has seen to whatever else is ready, which costs one turn of its
//! queue; those that come meanwhile wait with it. Nobody waits for somebody who has not come yet.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;

use super::app::App;
use super::keys::Key;
use super::score::{self, Asked, Decided, Source};
use crate::journal::Named;

/// Most payments that are scored together: more would find their own bytes gone from the cache.
const MEMBERS_MAX: usize = 32;

thread_local! {
    /// The cohort that this thread's requests join.
    static OPEN: Cell<Option<Arc<Cohort>>> = const { Cell::new(None) };
}

/// Payments that wait to be scored together.
struct Cohort(Mutex<Members>);

struct Members {
    /// The address of the server that they came to.
    app: usize,
    /// In the order in which they came.
    all: Vec<Member>,
    /// For each of them, who is to be told; `None` once it left.
    wakers: Vec<Option<Waker>>,
    /// Whether they were scored, so that nobody can join any more.
    scored: bool,
}

struct Member {
    key: u16,
    body: Bytes,
    request: Option<Named>,
    answer: Option<Decided>,
}

/// One payment's place in a cohort.
pub(super) struct Joined<'a> {
    app: &'a App,
    key: &'a Key,
    body: Bytes,
    request: Option<Named>,
    place: Option<(Arc<Cohort>, usize)>,
}

/// Scores an admitted payment together with those that are ready at the same time.
pub(super) fn score<'a>(app: &'a App, key: &'a Key, body: Bytes, request: Option<Named>) -> Joined<'a> {
    Joined { app, key, body, request, place: None }
}

impl Future for Joined<'_> {
    type Output = Decided;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Decided> {
        let this = &mut *self;
        let (cohort, place) = match this.place.take() {
            Some(joined) => joined,
            None => {
                let (cohort, place) = this.join(cx.waker());
                if place + 1 < MEMBERS_MAX {
                    if place == 0 {
                        cx.waker().wake_by_ref();
                    }
                    this.place = Some((cohort, place));
                    return Poll::Pending;
                }
                (cohort, place)
            }
        };
        // Whoever is asked again first sees to all.
        let mut members = cohort.0.lock();
        let told = members.score(this.app, place);
        let answer = members.all.get_mut(place).and_then(|member| member.answer.take());
        drop(members);
        drop(told);
        // Without an answer it is scored alone: somebody's own stage panicked at one of the others.
        let asked = Asked { key: this.key, body: &this.body, source: Source::Whole, request: this.request };
        Poll::Ready(answer.unwrap_or_else(|| score::at_once(this.app, asked, None)))
    }
}

impl Joined<'_> {
    /// Takes a place in this thread's cohort, which is a new one when the last was scored.
    fn join(&self, waker: &Waker) -> (Arc<Cohort>, usize) {
        let app = std::ptr::from_ref(self.app).addr();
        let joined = OPEN.take().and_then(|open| {
            let place = open.0.lock().add(app, self, waker)?;
            Some((place, open))
        });
        let (place, cohort) = joined.unwrap_or_else(|| {
            let mut members = Members::new(app);
            let place = members.push(self, waker);
            (place, Arc::new(Cohort(Mutex::new(members))))
        });
        if place + 1 < MEMBERS_MAX {
            OPEN.set(Some(cohort.clone()));
        }
        (cohort, place)
    }
}

impl Drop for Joined<'_> {
    /// Who leaves before it was scored may have been the one that was to see to all.
    fn drop(&mut self) {
        if let Some((cohort, place)) = self.place.take() {
            cohort.0.lock().leave(place);
        }
    }
}

impl Members {
    fn new(app: usize) -> Members {
        let (all, wakers) = (Vec::with_capacity(MEMBERS_MAX), Vec::with_capacity(MEMBERS_MAX));
        Members { app, all, wakers, scored: false }
    }

    /// The place of one more; `None` when these were scored or are another server's.
    fn add(&mut self, app: usize, joined: &Joined<'_>, waker: &Waker) -> Option<usize> {
        (!self.scored && self.app == app).then(|| self.push(joined, waker))
    }

    fn push(&mut self, joined: &Joined<'_>, waker: &Waker) -> usize {
        let (key, body, request) = (joined.key.index, joined.body.clone(), joined.request);
        self.all.push(Member { key, body, request, answer: None });
        self.wakers.push(Some(waker.clone()));
        self.all.len() - 1
    }

    /// Scores all that are still there, unless that was done. All but the one who asks are to be told.
    fn score(&mut self, app: &App, asking: usize) -> Told {
        let mut told = Told(std::mem::take(&mut self.wakers));
        if std::mem::replace(&mut self.scored, true) {
            return told;
        }
        let there = self.all.iter().zip(&told.0).enumerate().filter(|(_, (_, waker))| waker.is_some());
        let (places, asked): (Vec<usize>, Vec<Asked<'_>>) = there
            .filter_map(|(place, (Member { key, body, request, .. }, _))| {
                let key = app.keys.at(*key)?;
                Some((place, Asked { key, body, source: Source::Whole, request: *request }))
            })
            .unzip();
        if let Some(waker) = told.0.get_mut(asking) {
            *waker = None;
        }
        let decided = score::each_at_once(app, &asked, None);
        for (place, decided) in places.into_iter().zip(decided) {
            let Some(member) = self.all.get_mut(place) else { continue };
            member.answer = Some(decided);
            // The connection reads into the same memory again once nobody holds the body.
            member.body = Bytes::new();
        }
        told
    }

    fn leave(&mut self, place: usize) {
        if self.scored {
            return;
        }
        if let (Some(waker), Some(member)) = (self.wakers.get_mut(place), self.all.get_mut(place)) {
            (*waker, member.body) = (None, Bytes::new());
        }
        match self.wakers.iter().flatten().next() {
            Some(waker) => waker.wake_by_ref(),
            None => self.scored = true,
        }
    }
}

/// Wakes those who wait once they were scored, or once a stage of somebody's own has panicked.
struct Told(Vec<Option<Waker>>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.drain(..).flatten().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::engine::Engine;
    use crate::pipeline::{Options, Pipeline};
    use crate::serve::Own;
    use crate::serve::config::Config;
    use crate::serve::keeper::Keeper;
    use crate::stage::{Flow, stage};

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Woken>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Woken {
        fn times(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn app() -> App {
        with(Pipeline::shipped().unwrap())
    }

    fn with(pipeline: Pipeline) -> App {
        let config = Config::default();
        let keeper = Keeper::open(&config.journal, Engine::new(pipeline)).unwrap();
        App::new(config, (keeper, None), (None, Options::default()), Own::default()).unwrap()
    }

    fn payment(id: usize) -> Bytes {
        format!(
            r#"{{"id":"p{id}","at":"2026-11-23T09:00:00Z","amount":"1.00","currency":"EUR","card":"tok_1"}}"#
        )
        .into()
    }

    fn ask<'a>(app: &'a App, id: usize) -> (Pin<Box<Joined<'a>>>, Arc<Woken>) {
        let key = app.keys.at(0).unwrap();
        (Box::pin(score(app, key, payment(id), None)), Arc::default())
    }

    fn poll(asked: &mut (Pin<Box<Joined<'_>>>, Arc<Woken>)) -> Poll<String> {
        let waker = Waker::from(asked.1.clone());
        asked.0.as_mut().poll(&mut Context::from_waker(&waker)).map(|decided| {
            let Ok((scored, _)) = decided else { panic!("not scored") };
            String::from_utf8(scored.line.to_vec()).unwrap()
        })
    }

    fn is_of(answer: &Poll<String>, id: usize) -> bool {
        matches!(answer, Poll::Ready(line) if line.contains(&format!("\"p{id}\"")))
    }

    #[test]
    fn the_first_is_asked_again_and_sees_to_all() {
        let app = app();
        let mut asked: Vec<_> = (0..3).map(|id| ask(&app, id)).collect();
        assert!(asked.iter_mut().all(|asked| poll(asked).is_pending()));
        let woken = |asked: &[(_, Arc<Woken>)]| asked.iter().map(|a| a.1.times()).collect::<Vec<_>>();
        assert_eq!(woken(&asked), [1, 0, 0]);
        assert!(is_of(&poll(&mut asked[0]), 0));
        assert_eq!(woken(&asked), [1, 1, 1]);
        assert!(is_of(&poll(&mut asked[2]), 2) && is_of(&poll(&mut asked[1]), 1));
        // The next is of another cohort.
        let mut next = ask(&app, 3);
        assert!(poll(&mut next).is_pending());
        assert!(is_of(&poll(&mut next), 3));
    }

    #[test]
    fn who_leaves_leaves_the_others_in_good_hands() {
        let app = app();
        let mut asked: Vec<_> = (0..3).map(|id| ask(&app, id)).collect();
        assert!(asked.iter_mut().all(|asked| poll(asked).is_pending()));
        drop(asked.remove(0));
        assert_eq!((asked[0].1.times(), asked[1].1.times()), (1, 0));
        assert!(is_of(&poll(&mut asked[0]), 1) && is_of(&poll(&mut asked[1]), 2));
        // When all have left, nobody joins them.
        let mut alone = ask(&app, 4);
        assert!(poll(&mut alone).is_pending());
        drop(alone);
        let mut next = ask(&app, 5);
        assert!(poll(&mut next).is_pending());
        assert_eq!(next.1.times(), 1);
        assert!(is_of(&poll(&mut next), 5));
        // Only those that were there are remembered.
        let recent = app.recent.latest(9, None, None, |_, _, payment, _| payment.id().to_owned());
        assert_eq!(recent.len(), 3);
    }

    #[test]
    fn as_many_as_may_be_do_not_wait_for_more() {
        let app = app();
        let mut asked: Vec<_> = (0..=MEMBERS_MAX).map(|id| ask(&app, id)).collect();
        let (last, past) = (MEMBERS_MAX - 1, MEMBERS_MAX);
        assert!(asked[..last].iter_mut().all(|asked| poll(asked).is_pending()));
        assert!(is_of(&poll(&mut asked[last]), last));
        assert!(poll(&mut asked[past]).is_pending());
        for (id, asked) in asked.iter_mut().enumerate().filter(|(id, _)| *id != last) {
            assert!(is_of(&poll(asked), id), "{id}");
        }
    }

    #[test]
    fn a_stage_that_panics_at_one_takes_no_other_with_it() {
        let bomb = stage("bomb", |facts, _| {
            assert_ne!(facts.payment.id(), "p1", "boom");
            Flow::Continue
        });
        let app = with(Pipeline::shipped().unwrap().then(bomb));
        let mut asked: Vec<_> = (0..3).map(|id| ask(&app, id)).collect();
        assert!(asked.iter_mut().all(|asked| poll(asked).is_pending()));
        let mut panics = |id: usize| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(&mut asked[id]))).is_err()
        };
        assert!(panics(0) && panics(1) && !panics(2));
        assert_eq!((asked[1].1.times(), asked[2].1.times()), (1, 1));
    }

    #[test]
    fn another_server_of_the_same_thread_has_cohorts_of_its_own() {
        let (one, other) = (app(), app());
        let (mut first, mut second) = (ask(&one, 1), ask(&other, 2));
        assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
        assert!(is_of(&poll(&mut second), 2) && is_of(&poll(&mut first), 1));
    }
}
