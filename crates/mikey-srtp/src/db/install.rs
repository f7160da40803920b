//! Installing, rekeying and removing senders.

use alloc::sync::Arc;
use alloc::vec::Vec;

use mikey_crypto::srtp::SrtpPolicy;

use super::{ContextDb, DbStream, KeyOwner, NO_STREAM};
use crate::error::InstallError;
use crate::extension::ExtensionIds;
use crate::index::{IndexTracker, Ssrc};
use crate::key::{Context, MasterKey, Validity};
use crate::limits::{MAX_KEYS, MAX_WINDOW, MIN_WINDOW};
use crate::sender::{Direction, Install, Owner, Sender, SenderId, SenderKey, Ssrcs, StartIndex};
use crate::stream::Stream;
use crate::time::Time;

impl ContextDb {
    /// Installs a sender with its first key.
    ///
    /// # Errors
    /// [`InstallError`]; nothing has been installed then.
    pub fn install(&mut self, install: Install) -> Result<SenderId, InstallError> {
        let Install { direction, destination, owner, ssrcs, policy, key, extensions, window } = install;
        let window = u16::try_from(window).ok().filter(|_| (MIN_WINDOW..=MAX_WINDOW).contains(&window));
        let window = window.ok_or(InstallError::Window)?;
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
        if self.streams.len() + listed.as_ref().map_or(0, Vec::len) > self.max_streams {
            return Err(InstallError::Full);
        }
        let key = self.make_key(&policy, extensions, owner, direction, key)?;
        let context = Arc::clone(&key.context);
        let fingerprint = key.fingerprint;
        let serial = self.next_serial;
        let any = listed.is_none();
        let (last_stream, stream_count, others) = (NO_STREAM, 0, None);
        let sender = Sender {
            destination,
            direction,
            any,
            window,
            serial,
            last_stream,
            stream_count,
            owner,
            key,
            others,
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
            let stream = Stream::new(ssrc, start.tracker(), Arc::clone(&context), window, false);
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
        let (owner, direction) = (found.owner, found.direction);
        let (policy, extensions) = (found.key.context.policy, found.key.context.extensions());
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
        let key = self.make_key(&policy, extensions, owner, direction, key)?;
        let context = Arc::clone(&key.context);
        let mut released = Vec::new();
        if let Some(found) = self.senders.get_mut(sender.slot) {
            let others = found.others.get_or_insert_default();
            if ranged {
                others.push(key);
            } else {
                others.insert(0, core::mem::replace(&mut found.key, key));
                for other in others.iter_mut() {
                    other.until = other.until.min(retire);
                }
                let left = if direction == Direction::Outbound { 0 } else { MAX_KEYS - 1 };
                released.extend(others.drain(left.min(others.len())..).map(|key| key.fingerprint));
            }
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
        self.release_all(released);
        Ok(())
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
        self.add_stream(sender, stream).map(|_| ()).ok_or(InstallError::Full)
    }

    /// Forgets the keys whose time is over; call it when the next of them is due, or now and then.
    ///
    /// Expired keys are refused whether they are forgotten or not: this is for memory and for wiping.
    pub fn drop_expired(&mut self, now: Time) {
        let due = self
            .senders
            .iter()
            .filter(|(_, sender)| sender.others.is_some() && sender.keys().any(|key| now >= key.until));
        let due: Vec<SenderId> = due.map(|(slot, sender)| SenderId { slot, serial: sender.serial }).collect();
        let mut released = Vec::new();
        for id in due {
            if let Some(sender) = self.senders.get_mut(id.slot) {
                let others = sender.others.get_or_insert_default();
                if now >= sender.key.until && !others.is_empty() {
                    let next = others.remove(0);
                    others.push(core::mem::replace(&mut sender.key, next));
                }
                others.retain(|key| {
                    let keep = now < key.until;
                    if !keep {
                        released.push(key.fingerprint);
                    }
                    keep
                });
            }
            let slots: Vec<u32> = self.slots(id).collect();
            for slot in slots {
                if let Some(entry) = self.streams.get_mut(slot) {
                    entry.stream.drop_expired(now);
                }
            }
        }
        self.release_all(released);
    }

    /// Removes a sender, its streams and its keys. Returns whether it was there.
    pub fn remove(&mut self, sender: SenderId) -> bool {
        let slots: Vec<u32> = self.slots(sender).collect();
        if self.sender(sender).is_none() {
            return false;
        }
        let Some(removed) = self.senders.remove(sender.slot) else { return false };
        for slot in slots {
            self.remove_stream(slot);
        }
        self.release_all(removed.keys().map(|key| key.fingerprint).collect());
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
        let first = Arc::clone(&sender.key.context);
        let mut stream = Stream::new(ssrc, tracker, first, sender.window, sender.any);
        stream.key.retire(sender.key.until);
        for key in sender.others() {
            stream.add(Arc::clone(&key.context)).ok()?.retire(key.until);
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
            previous: sender.last_stream,
            sender: id,
            owner: sender.owner,
            stream,
        };
        let hash = entry.hash(self.seed);
        let slot = self.streams.insert(entry)?;
        sender.last_stream = slot;
        sender.stream_count += 1;
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
        let Owner(number) = owner;
        let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
        let owner = [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])];
        let known = self.keys.entry(fingerprint).or_insert(KeyOwner { owner, direction, uses: 0 });
        if known.owner != owner || known.direction != direction {
            return Err(InstallError::KeyInUse);
        }
        known.uses = known.uses.checked_add(1).ok_or(InstallError::Full)?;
        Ok(SenderKey { context, fingerprint, until })
    }

    fn release_all(&mut self, fingerprints: Vec<u64>) {
        for fingerprint in fingerprints {
            self.release(fingerprint);
        }
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
