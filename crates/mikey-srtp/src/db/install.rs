//! Installing, rekeying and removing senders.

use alloc::sync::Arc;
use alloc::vec::Vec;

use mikey_crypto::srtp::SrtpPolicy;

use super::{ContextDb, DbStream, KeyOwner};
use crate::error::InstallError;
use crate::extension::ExtensionIds;
use crate::index::{IndexTracker, Ssrc};
use crate::key::{Context, MasterKey};
use crate::limits::{MAX_KEYS, MAX_SSRCS_PER_WILDCARD, MAX_WINDOW, MIN_WINDOW};
use crate::sender::{Direction, Install, Owner, Sender, SenderId, SenderKey, Ssrcs};
use crate::stream::Stream;
use crate::time::Time;

impl ContextDb {
    /// Installs a sender with its first key.
    ///
    /// # Errors
    /// [`InstallError`]; nothing has been installed then.
    pub fn install(&mut self, install: Install) -> Result<SenderId, InstallError> {
        let Install { direction, destination, owner, ssrcs, policy, key, extensions, window } = install;
        if !(MIN_WINDOW..=MAX_WINDOW).contains(&window) {
            return Err(InstallError::Window);
        }
        let listed = match ssrcs {
            Ssrcs::These(list) => Some(list),
            Ssrcs::Any => None,
        };
        for (at, (ssrc, _)) in listed.iter().flatten().enumerate() {
            let twice = listed.iter().flatten().take(at).any(|(other, _)| other == ssrc);
            if twice || self.find(direction, destination, *ssrc).is_some() {
                return Err(InstallError::SsrcInUse);
            }
        }
        let count = listed.as_ref().map_or(0, Vec::len);
        if self.streams.len() + count > self.max_streams {
            return Err(InstallError::Full);
        }
        let key = self.make_key(&policy, extensions, owner, direction, key)?;
        let context = Arc::clone(&key.context);
        let fingerprint = key.fingerprint;
        let serial = self.next_serial;
        let any = listed.is_none();
        let sender = Sender {
            serial,
            direction,
            any,
            extensions,
            policy,
            window,
            destination,
            owner,
            keys: Vec::from([key]),
            streams: Vec::with_capacity(count),
        };
        let Some(slot) = self.senders.insert(sender) else {
            self.release(fingerprint);
            return Err(InstallError::Full);
        };
        let id = SenderId { slot, serial };
        self.next_serial = serial.wrapping_add(1);
        if any {
            self.wildcards.entry((destination, direction == Direction::Inbound)).or_default().push(slot);
        }
        for (ssrc, start) in listed.into_iter().flatten() {
            let stream = Stream::new(ssrc, start.tracker(), Arc::clone(&context), window, 1);
            if self.add_stream(id, stream).is_none() {
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
        let (owner, direction, policy, extensions) =
            (found.owner, found.direction, found.policy, found.extensions);
        for other in &found.keys {
            let (old, new) = (other.context.mki.as_ref(), key.mki.as_ref());
            if old.len() != new.len() {
                return Err(InstallError::MkiLen);
            }
            if !new.is_empty() && old == new {
                return Err(InstallError::MkiInUse);
            }
        }
        let ranged = key.validity != crate::key::Validity::Always;
        if ranged && found.keys.len() >= MAX_KEYS {
            return Err(InstallError::Full);
        }
        let key = self.make_key(&policy, extensions, owner, direction, key)?;
        let context = Arc::clone(&key.context);
        let mut released = Vec::new();
        let slots = match self.senders.get_mut(sender.slot) {
            Some(found) => {
                if ranged {
                    found.keys.push(key);
                } else {
                    let retire = if direction == Direction::Outbound { Time::ZERO } else { retire };
                    for other in &mut found.keys {
                        other.until = other.until.min(retire);
                    }
                    found.keys.insert(0, key);
                    if direction == Direction::Outbound {
                        released.extend(found.keys.drain(1..).map(|key| key.fingerprint));
                    }
                    released.extend(
                        found.keys.drain(MAX_KEYS.min(found.keys.len())..).map(|key| key.fingerprint),
                    );
                }
                found.streams.clone()
            }
            None => return Err(InstallError::UnknownSender),
        };
        for slot in slots {
            let Some(entry) = self.streams.get_mut(slot) else { continue };
            if ranged {
                entry.stream.add(Arc::clone(&context))?;
            } else {
                entry.stream.rekey(Arc::clone(&context), retire);
                if direction == Direction::Outbound {
                    entry.stream.others.clear();
                }
            }
        }
        for fingerprint in released {
            self.release(fingerprint);
        }
        Ok(())
    }

    /// Adds an SSRC to a sender that lists its own.
    ///
    /// # Errors
    /// [`InstallError::SsrcInUse`], [`InstallError::UnknownSender`] or [`InstallError::Full`].
    pub fn add_ssrc(
        &mut self,
        sender: SenderId,
        ssrc: Ssrc,
        start: crate::sender::StartIndex,
    ) -> Result<(), InstallError> {
        let found = self.sender(sender).ok_or(InstallError::UnknownSender)?;
        if self.find(found.direction, found.destination, ssrc).is_some() {
            return Err(InstallError::SsrcInUse);
        }
        let stream = self.stream_of(sender, ssrc, start.tracker()).ok_or(InstallError::UnknownSender)?;
        self.add_stream(sender, stream).map(|_| ()).ok_or(InstallError::Full)
    }

    /// Forgets the keys whose time is over; call it when the next of them is due, or now and then.
    ///
    /// Expired keys are refused whether they are forgotten or not: this is for memory and for wiping.
    pub fn drop_expired(&mut self, now: Time) {
        let mut released = Vec::new();
        let due: Vec<u32> = self
            .senders
            .iter()
            .filter(|(_, sender)| sender.keys.len() > 1 && sender.keys.iter().any(|key| now >= key.until))
            .map(|(slot, _)| slot)
            .collect();
        for slot in due {
            let Some(sender) = self.senders.get_mut(slot) else { continue };
            let mut left = sender.keys.len();
            sender.keys.retain(|key| {
                let keep = now < key.until || left == 1;
                if !keep {
                    left -= 1;
                    released.push(key.fingerprint);
                }
                keep
            });
            for slot in sender.streams.clone() {
                if let Some(entry) = self.streams.get_mut(slot) {
                    entry.stream.drop_expired(now);
                }
            }
        }
        for fingerprint in released {
            self.release(fingerprint);
        }
    }

    /// Removes a sender, its streams and its keys. Returns whether it was there.
    pub fn remove(&mut self, sender: SenderId) -> bool {
        if self.sender(sender).is_none() {
            return false;
        }
        let Some(removed) = self.senders.remove(sender.slot) else { return false };
        for slot in removed.streams {
            self.remove_stream(slot);
        }
        for key in removed.keys {
            self.release(key.fingerprint);
        }
        let place = (removed.destination, removed.direction == Direction::Inbound);
        if let Some(list) = self.wildcards.get_mut(&place) {
            list.retain(|slot| *slot != sender.slot);
            if list.is_empty() {
                self.wildcards.remove(&place);
            }
        }
        true
    }

    /// Removes everything of one owner. Returns how many senders that were.
    pub fn remove_owner(&mut self, owner: Owner) -> usize {
        let ids: Vec<SenderId> = self
            .senders
            .iter()
            .filter(|(_, sender)| sender.owner == owner)
            .map(|(slot, sender)| SenderId { slot, serial: sender.serial })
            .collect();
        ids.into_iter().filter(|id| self.remove(*id)).count()
    }

    /// A stream with all keys that its sender has now.
    pub(super) fn stream_of(&self, id: SenderId, ssrc: Ssrc, tracker: IndexTracker) -> Option<Stream> {
        let sender = self.sender(id)?;
        let share = if sender.any { MAX_SSRCS_PER_WILDCARD } else { 1 };
        let (first, others) = sender.keys.split_first()?;
        let mut stream = Stream::new(ssrc, tracker, Arc::clone(&first.context), sender.window, share);
        stream.key.until = first.until;
        for key in others {
            stream.add(Arc::clone(&key.context)).ok()?;
            if let Some(added) = stream.others.last_mut() {
                added.until = key.until;
            }
        }
        Some(stream)
    }

    pub(super) fn add_stream(&mut self, id: SenderId, stream: Stream) -> Option<u32> {
        if self.streams.len() >= self.max_streams {
            return None;
        }
        let sender = self.senders.get_mut(id.slot)?;
        let entry = DbStream {
            destination: sender.destination,
            direction: sender.direction,
            sender: id,
            owner: sender.owner,
            stream,
        };
        let hash = entry.hash(self.seed);
        let slot = self.streams.insert(entry)?;
        sender.streams.push(slot);
        let (streams, seed) = (&self.streams, self.seed);
        self.table.insert_unique(hash, slot, |slot| streams.get(*slot).map_or(0, |entry| entry.hash(seed)));
        Some(slot)
    }

    fn remove_stream(&mut self, slot: u32) {
        let Some(entry) = self.streams.remove(slot) else { return };
        if let Ok(place) = self.table.find_entry(entry.hash(self.seed), |other| *other == slot) {
            place.remove();
        }
    }

    /// Makes a context of a key and writes down whose it is.
    fn make_key(
        &mut self,
        policy: &SrtpPolicy,
        extensions: ExtensionIds,
        owner: Owner,
        direction: Direction,
        key: MasterKey,
    ) -> Result<SenderKey, InstallError> {
        let until = key.lifetime.until;
        let (context, fingerprint) = Context::new(self.crypto, policy, extensions, key)?;
        let known = self.keys.entry(fingerprint).or_insert(KeyOwner { owner, direction, uses: 0 });
        if known.owner != owner || known.direction != direction {
            return Err(InstallError::KeyInUse);
        }
        known.uses += 1;
        Ok(SenderKey { context, fingerprint, until })
    }

    fn release(&mut self, fingerprint: u64) {
        if let Some(known) = self.keys.get_mut(&fingerprint) {
            known.uses -= 1;
            if known.uses == 0 {
                self.keys.remove(&fingerprint);
            }
        }
    }
}
