//! Where calls are shown, made and judged.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use api::{Reply, Rpc};
use owo_colors::{OwoColorize, Stream, Style};
use platform::clock::pause;
use platform::net::CallError;
use types::Locale;

use super::caller::Caller;
use super::claim::Claim;
use super::narration::Line;
use super::scene::Scene;
use super::sketch::{sketch, sketch_of};
use crate::clients::Clients;

/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// How long something that happens by itself may take, where no longer wait is named.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What ends a chapter before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
    /// A promise was broken, and shown; what follows would stand on it.
    #[error("an answer was not as promised")]
    Broken,
}

/// Shows calls and their answers, and counts which were as promised.
pub(crate) struct Stage {
    caller: Caller,
    locale: Locale,
    out: Box<dyn Write>,
    chapters: u32,
    kept: u32,
    broken: u32,
}

impl Stage {
    /// A stage that calls over `clients`, narrates in `locale`, and writes to `out`.
    pub(crate) fn new(clients: Clients, locale: Locale, out: Box<dyn Write>) -> Self {
        let caller = Caller::new(clients, locale, CALL_LIMIT);
        Self {
            caller,
            locale,
            out,
            chapters: 0,
            kept: 0,
            broken: 0,
        }
    }

    pub(super) const fn locale(&self) -> Locale {
        self.locale
    }

    /// An idempotency key that no earlier demonstration used.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}-{name}", self.caller.run())
    }

    /// Says what is played, on which system, and how to read it.
    pub(super) fn open(&mut self, scene: &Scene) -> io::Result<()> {
        let title = Line::Title.text(self.locale);
        writeln!(
            self.out,
            "\n{}",
            paint(title, Style::new().bold().underline())
        )?;
        match scene {
            Scene::Running { addresses, .. } => {
                self.say(Line::OnRunning, &[("addresses", addresses)])?;
            }
            Scene::Own { is_asked_for, .. } => {
                let seconds = scene.own_payment_timeout().unwrap_or_default().as_secs();
                let line = if *is_asked_for {
                    Line::OnOwn
                } else {
                    Line::OnOwnForWant
                };
                self.say(line, &[("seconds", &seconds.to_string())])?;
            }
        }
        let run = self.caller.run().to_owned();
        self.say(Line::Legend, &[("run", &run)])
    }

    /// Plays one chapter under its title; `None` where it broke off.
    pub(super) async fn act<T>(
        &mut self,
        title: Line,
        chapter: impl AsyncFnOnce(&mut Self) -> Result<T, Stop>,
    ) -> io::Result<Option<T>> {
        self.chapters = self.chapters.saturating_add(1);
        let number = format!("{:>2}", self.chapters);
        let style = Style::new().bold();
        let title = paint(title.text(self.locale), style);
        writeln!(self.out, "\n{}  {title}", paint(&number, style.yellow()))?;
        match chapter(self).await {
            Ok(made) => Ok(Some(made)),
            Err(Stop::Broken) => Ok(None),
            Err(Stop::Output(error)) => Err(error),
        }
    }

    /// Says how it went, and answers whether every promise was kept.
    pub(super) fn close(&mut self, took: Duration) -> io::Result<bool> {
        let counts = [
            ("kept", self.kept.to_string()),
            ("broken", self.broken.to_string()),
            ("all", self.kept.saturating_add(self.broken).to_string()),
            ("seconds", seconds(took)),
        ];
        let counts = counts
            .each_ref()
            .map(|(name, count)| (*name, count.as_str()));
        let is_good = self.broken == 0;
        let (mark, line, style) = if is_good {
            ("✓", Line::AllKept, Style::new().bold().green())
        } else {
            ("✗", Line::SomeBroken, Style::new().bold().red())
        };
        let verdict = format!("{mark} {}", line.filled(self.locale, &counts));
        writeln!(self.out, "\n{}", paint(&verdict, style))?;
        self.out.flush()?;
        Ok(is_good)
    }

    /// Makes a call that nobody needs to see.
    pub(super) async fn ask<M: Rpc>(&self, message: M) -> Result<M::Reply, CallError> {
        self.caller.ask(message).await
    }

    /// Makes a call that is only shown where it is not answered.
    pub(super) async fn asked<M: Rpc>(&mut self, message: M) -> Result<M::Reply, Stop> {
        match self.caller.ask(message.clone()).await {
            Ok(reply) => Ok(reply),
            Err(error) => {
                self.recall(&message)?;
                self.reply_of(Err(error))
            }
        }
    }

    /// Shows a call and makes it. Its answer is to be judged by [`Self::answer`].
    pub(super) async fn call<M: Rpc>(&mut self, message: M) -> Result<M::Reply, Stop> {
        self.show_call(&message)?;
        writeln!(self.out)?;
        let answer = self.caller.ask(message).await;
        self.reply_of(answer)
    }

    /// Shows a call, and makes it until its answer `is_there`, or until `patience` is over: then
    /// the last answer is the answer.
    pub(super) async fn call_until<M: Rpc>(
        &mut self,
        message: M,
        patience: Duration,
        is_there: impl Fn(&M::Reply) -> bool,
    ) -> Result<M::Reply, Stop> {
        self.show_call(&message)?;
        self.out.flush()?;
        let began = Instant::now();
        let mut answer = self.caller.ask(message.clone()).await;
        let mut after = String::new();
        while matches!(&answer, Ok(reply) if !is_there(reply)) && began.elapsed() < patience {
            pause(LOOK_EVERY).await;
            answer = self.caller.ask(message.clone()).await;
            after = Line::After.filled(self.locale, &[("seconds", &seconds(began.elapsed()))]);
        }
        if !after.is_empty() {
            write!(self.out, " {}", paint(&after, Style::new().dimmed()))?;
        }
        writeln!(self.out)?;
        self.reply_of(answer)
    }

    /// Shows a call that [`Self::asked`] has made.
    pub(super) fn recall<M: Rpc>(&mut self, message: &M) -> Result<(), Stop> {
        self.show_call(message)?;
        Ok(writeln!(self.out)?)
    }

    /// Shows an answer, each promise about it that was broken, and why it is so.
    ///
    /// # Errors
    /// [`Stop::Broken`] where a promise was.
    pub(super) fn answer<R: Reply>(
        &mut self,
        reply: &R,
        claims: &[Claim],
        why: Line,
    ) -> Result<(), Stop> {
        self.judge(&sketch(reply), claims, why)
    }

    /// As [`Self::answer`], where only the fields in `focus` are worth showing.
    pub(super) fn answer_about<R: Reply>(
        &mut self,
        reply: &R,
        focus: &[&str],
        claims: &[Claim],
        why: Line,
    ) -> Result<(), Stop> {
        // A broken promise may be about any field.
        let is_kept = claims.iter().all(|claim| claim.holds);
        let shown = if is_kept {
            sketch_of(reply, focus)
        } else {
            sketch(reply)
        };
        self.judge(&shown, claims, why)
    }

    fn judge(&mut self, shown: &str, claims: &[Claim], why: Line) -> Result<(), Stop> {
        let broken: Vec<_> = claims.iter().filter(|claim| !claim.holds).collect();
        writeln!(self.out, "    {} {shown}", mark(broken.is_empty()))?;
        if broken.is_empty() {
            self.kept = self.kept.saturating_add(1);
            return Ok(self.say(why, &[])?);
        }
        self.broken = self.broken.saturating_add(1);
        for Claim {
            promised, found, ..
        } in broken
        {
            let names = [("promised", promised.as_str()), ("found", found.as_str())];
            let text = Line::Promised.filled(self.locale, &names);
            writeln!(self.out, "      {}", paint(&text, Style::new().red()))?;
        }
        Err(Stop::Broken)
    }

    /// Says why, the line's `{names}` filled in.
    pub(super) fn say(&mut self, line: Line, names: &[(&str, &str)]) -> io::Result<()> {
        for text in line.filled(self.locale, names).lines() {
            writeln!(self.out, "      {}", paint(text, Style::new().yellow()))?;
        }
        self.out.flush()
    }

    fn show_call<M: Rpc>(&mut self, message: &M) -> io::Result<()> {
        let name = format!("{}.{}", M::SERVICE, M::METHOD);
        let name = paint(&name, Style::new().cyan().bold());
        write!(self.out, "    {name} {}", sketch(message))
    }

    fn reply_of<R>(&mut self, answer: Result<R, CallError>) -> Result<R, Stop> {
        answer.or_else(|error| {
            self.broken = self.broken.saturating_add(1);
            let text = paint(&said(error), Style::new().red());
            writeln!(self.out, "    {} {text}", mark(false))?;
            Err(Stop::Broken)
        })
    }
}

/// What there is to show where no reply came.
fn said(error: CallError) -> String {
    match error {
        CallError::Rejected(status) => format!("{:?}: {}", status.code(), status.message()),
        CallError::Unknown { late: true, .. } => "no answer in time".to_owned(),
        CallError::Unknown { reason, .. } => reason,
    }
}

fn mark(is_good: bool) -> String {
    if is_good {
        paint("✓", Style::new().green().bold())
    } else {
        paint("✗", Style::new().red().bold())
    }
}

/// Text with a style, where the terminal shows one.
fn paint(text: &str, style: Style) -> String {
    text.if_supports_color(Stream::Stdout, |text| text.style(style))
        .to_string()
}

/// A wait in seconds, two decimals: `0.04`.
fn seconds(wait: Duration) -> String {
    format!(
        "{}.{:02}",
        wait.as_secs(),
        wait.subsec_millis().div_euclid(10)
    )
}
