//! Installing, rekeying and removing senders.

use alloc::sync::Arc;
use alloc::vec::Vec;

use mikey_crypto::srtp::SrtpPolicy;

use super::register::NO_SENDER;
use super::{ContextDb, DbStream, NO_STREAM};
use crate::error::InstallError;
use crate::extension::ExtensionIds;
use crate::index::{IndexTracker, Ssrc};
use crate::key::{Context, MasterKey, Validity};
use crate::limits::{MAX_KEYS, MAX_WINDOW, MIN_WINDOW};
use crate::replay::ReplayWindow;
use crate::sender::{Direction, Install, OtherKey, Owner, Sender, SenderId, SenderKey, Ssrcs, StartIndex};
use crate::stream::Stream;
use crate::time::Time;

impl ContextDb {
    /// Installs a sender with its first key.
    ///
    /// # Errors
    /// [`InstallError`]; nothing has been installed then.
    pub fn install(&mut self, install: Install) -> Result<SenderId, InstallError> {
        let Install { direction, destination, owner, ssrcs, policy, key, extensions, window, tesla } =
            install;
        let window = u16::try_from(window).ok().filter(|_| (MIN_WINDOW..=MAX_WINDOW).contains(&window));
        let window = window.ok_or(InstallError::Window)?;
        let listed = match ssrcs {
            Ssrcs::These(list) => Some(list),
            Ssrcs::Any => None,
        };
        if tesla && listed.is_none() {
            return Err(InstallError::Tesla);
        }
        for (at, (ssrc, _)) in listed.iter().flatten().enumerate() {
            let twice = listed.iter().flatten().take(at).any(|(other, _)| other == ssrc);
            if twice || self.find(direction, destination, *ssrc).is_some() {
                return Err(InstallError::SsrcInUse);
            }
        }
        if self.streams.len() + listed.as_ref().map_or(0, Vec::len) > self.max_streams {
            return Err(InstallError::Full);
        }
        let policy = self.shared_policy(policy);
        let key = self.make_key(policy, extensions, tesla, (owner, direction), key)?;
        let serial = self.next_serial;
        let any = listed.is_none();
        let (last_stream, previous, stream_count, others) = (NO_STREAM, NO_SENDER, 0, None);
        let sender = Sender {
            destination,
            direction,
            window,
            tesla,
            serial,
            last_stream,
            previous,
            stream_count,
            owner,
            key,
            others,
        };
        let slot = self.senders.insert(sender).ok_or(InstallError::Full)?;
        self.register.add(&mut self.senders, slot);
        let id = SenderId { slot, serial };
        self.next_serial = serial.wrapping_add(1);
        if any {
            self.wildcards.add(&self.senders, slot);
        }
        for (ssrc, start) in listed.into_iter().flatten() {
            if self.stream_of(id, ssrc, start.tracker()).and_then(|stream| self.add_stream(stream)).is_none()
            {
                self.remove(id);
                return Err(InstallError::Full);
            }
        }
        Ok(id)
    }

    /// Gives a sender a new key. Index and ROC go on; every key has its own replay list.
    ///
    /// Outbound: the next packet uses it. Inbound: it is tried from now on, and the older keys stop at `retire`, unless
    /// they stop before. A key with a range of indices does not stop the others: it is used for its range.
    ///
    /// # Errors
    /// [`InstallError`]; nothing has changed then.
    pub fn rekey(&mut self, sender: SenderId, key: MasterKey, retire: Time) -> Result<(), InstallError> {
        let found = self.sender(sender).ok_or(InstallError::UnknownSender)?;
        let (owner, direction, tesla) = (found.owner, found.direction, found.tesla);
        let (policy, extensions) = (Arc::clone(&found.key.context.policy), found.key.context.extensions());
        for other in found.keys() {
            let (old, new) = (other.context.mki(), key.mki.as_ref());
            if old.len() != new.len() {
                return Err(InstallError::MkiLen);
            }
            if !new.is_empty() && old == new {
                return Err(InstallError::MkiInUse);
            }
        }
        let ranged = key.validity != Validity::Always;
        if ranged && found.others().len() + 1 >= MAX_KEYS {
            return Err(InstallError::Full);
        }
        let key = self.make_key(policy, extensions, tesla, (owner, direction), key)?;
        let context = Arc::clone(&key.context);
        let any = self.wildcards.remove(&self.senders, sender.slot);
        if ranged {
            self.add_other_key(sender.slot, key);
        } else {
            self.replace_key(sender.slot, key, retire);
        }
        if any {
            self.wildcards.add(&self.senders, sender.slot);
        }
        let slots: Vec<u32> = self.slots(sender).collect();
        for slot in slots {
            let Some(entry) = self.streams.get_mut(slot) else { continue };
            if ranged {
                entry.stream.add(Arc::clone(&context))?;
            } else {
                entry.stream.rekey(Arc::clone(&context), direction, retire);
            }
        }
        Ok(())
    }

    fn add_other_key(&mut self, slot: u32, key: SenderKey) {
        let Some(sender) = self.senders.get_mut(slot) else { return };
        self.register.add_older(slot, key.fingerprint);
        let until = key.context.lifetime().until;
        sender.others.get_or_insert_default().push(OtherKey { key, until });
    }

    fn replace_key(&mut self, slot: u32, key: SenderKey, retire: Time) {
        let Some(sender) = self.senders.get_mut(slot) else { return };
        let new = key.fingerprint;
        let old = core::mem::replace(&mut sender.key, key);
        let replaced = old.fingerprint;
        let until = old.context.lifetime().until;
        let others = sender.others.get_or_insert_default();
        others.insert(0, OtherKey { key: old, until });
        for other in others.iter_mut() {
            other.until = other.until.min(retire);
        }
        self.register.add_older(slot, replaced);
        let left = if sender.direction == Direction::Outbound { 0 } else { MAX_KEYS - 1 };
        for gone in others.drain(left.min(others.len())..) {
            self.register.remove_older(slot, gone.key.fingerprint);
        }
        self.register.replace(&self.senders, slot, replaced, new);
    }

    /// Adds an SSRC to a sender.
    ///
    /// # Errors
    /// [`InstallError::SsrcInUse`], [`InstallError::UnknownSender`] or [`InstallError::Full`].
    pub fn add_ssrc(&mut self, sender: SenderId, ssrc: Ssrc, start: StartIndex) -> Result<(), InstallError> {
        let found = self.sender(sender).ok_or(InstallError::UnknownSender)?;
        if self.find(found.direction, found.destination, ssrc).is_some() {
            return Err(InstallError::SsrcInUse);
        }
        let stream = self.stream_of(sender, ssrc, start.tracker()).ok_or(InstallError::UnknownSender)?;
        self.add_stream(stream).map(|_| ()).ok_or(InstallError::Full)
    }

    /// Forgets the keys whose time is over; call it when the next of them is due, or now and then. A sender's newest key
    /// stays, to say that it has expired.
    ///
    /// Expired keys are refused whether they are forgotten or not: this is for memory and for wiping.
    pub fn drop_expired(&mut self, now: Time) {
        self.drop_undisclosed(now);
        let expired = |sender: &Sender| sender.others().iter().any(|other| now >= other.until);
        let due = self.senders.iter().filter(|(_, sender)| expired(sender));
        let due: Vec<SenderId> = due.map(|(slot, sender)| SenderId { slot, serial: sender.serial }).collect();
        for id in due {
            let any = self.wildcards.remove(&self.senders, id.slot);
            if let Some(others) = self.senders.get_mut(id.slot).and_then(|sender| sender.others.as_mut()) {
                for gone in others.extract_if(.., |other| now >= other.until) {
                    self.register.remove_older(id.slot, gone.key.fingerprint);
                }
            }
            if any {
                self.wildcards.add(&self.senders, id.slot);
            }
            let slots: Vec<u32> = self.slots(id).collect();
            for slot in slots {
                if let Some(entry) = self.streams.get_mut(slot) {
                    entry.stream.drop_expired(now);
                }
            }
        }
    }

    /// Removes a sender, its streams and its keys. Returns whether it was there.
    pub fn remove(&mut self, sender: SenderId) -> bool {
        let slots: Vec<u32> = self.slots(sender).collect();
        if self.sender(sender).is_none() {
            return false;
        }
        self.wildcards.remove(&self.senders, sender.slot);
        self.register.remove(&mut self.senders, sender.slot);
        for slot in slots {
            self.remove_stream(slot);
        }
        self.senders.remove(sender.slot).is_some()
    }

    /// Removes everything of one owner. Returns how many senders that were.
    pub fn remove_owner(&mut self, owner: Owner) -> usize {
        let ids: Vec<SenderId> = [Direction::Outbound, Direction::Inbound]
            .into_iter()
            .flat_map(|direction| self.register.owned(&self.senders, owner, direction))
            .map(|(slot, sender)| SenderId { slot, serial: sender.serial })
            .collect();
        ids.into_iter().filter(|id| self.remove(*id)).count()
    }

    /// A stream with all keys that its sender has now.
    pub(super) fn stream_of(&self, id: SenderId, ssrc: Ssrc, tracker: IndexTracker) -> Option<Stream> {
        let sender = self.sender(id)?;
        let (first, window) = (Arc::clone(&sender.key.context), ReplayWindow::new(sender.window));
        let mut stream = Stream::new(ssrc, id.slot, tracker, first, window);
        for other in sender.others() {
            stream.add(Arc::clone(&other.key.context)).ok()?.retire(other.until);
        }
        Some(stream)
    }

    /// Puts a stream into the table, under its sender.
    pub(super) fn add_stream(&mut self, stream: Stream) -> Option<u32> {
        if self.streams.len() >= self.max_streams {
            return None;
        }
        let (owner, ssrc, its_sender) = (self.senders.get(stream.sender)?.owner, stream.ssrc, stream.sender);
        let sender = self.senders.get_mut(its_sender)?;
        let (destination, direction) = (sender.destination, sender.direction);
        let entry = DbStream { destination, direction, suspect: false, previous: sender.last_stream, stream };
        let hash = entry.hash(self.seed);
        let slot = self.streams.insert(entry)?;
        sender.last_stream = slot;
        sender.stream_count += 1;
        let (streams, seed) = (&self.streams, self.seed);
        self.table.insert_unique(hash, slot, |slot| streams.get(*slot).map_or(0, |entry| entry.hash(seed)));
        if self.uses(owner, direction.other(), ssrc) {
            self.stats.clashes += 1;
        }
        Some(slot)
    }

    fn remove_stream(&mut self, slot: u32) {
        let Some(entry) = self.streams.remove(slot) else { return };
        if let Ok(place) = self.table.find_entry(entry.hash(self.seed), |other| *other == slot) {
            place.remove();
        }
    }

    /// Makes a context of a key that is nobody else's.
    fn make_key(
        &self,
        policy: Arc<SrtpPolicy>,
        extensions: ExtensionIds,
        tesla: bool,
        (owner, direction): (Owner, Direction),
        key: MasterKey,
    ) -> Result<SenderKey, InstallError> {
        let shared = key.shared;
        let (context, fingerprint) = Context::new(self.crypto, policy, extensions, tesla, key)?;
        match self.register.key(&self.senders, fingerprint) {
            Some(known) if known != (owner, direction) && !shared => Err(InstallError::KeyInUse),
            _ => Ok(SenderKey { context, fingerprint }),
        }
    }

    /// The one copy of a policy. Those that nobody has any more go when another comes.
    fn shared_policy(&mut self, policy: SrtpPolicy) -> Arc<SrtpPolicy> {
        if let Some(known) = self.policies.iter().find(|known| ***known == policy) {
            return Arc::clone(known);
        }
        self.policies.retain(|known| Arc::strong_count(known) > 1);
        let new = Arc::new(policy);
        self.policies.push(Arc::clone(&new));
        new
    }
}
