//! Source authentication of the database's streams: their chains go in, and the packets that are verified come out.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::ContextDb;
use crate::index::Ssrc;
use crate::sender::{Direction, SenderId};
use crate::stream::Stream;
use crate::tesla::{Tesla, TeslaError, TeslaReceiver, TeslaSender, Verified};
use crate::time::Time;

impl ContextDb {
    /// Gives an outbound SSRC its key chain. From now on its packets can be protected; a chain that it had is gone.
    ///
    /// # Errors
    /// [`TeslaError::UnknownStream`], or [`TeslaError::NotTesla`] if the sender was installed without.
    pub fn set_tesla_sender(
        &mut self,
        sender: SenderId,
        ssrc: Ssrc,
        tesla: TeslaSender,
    ) -> Result<(), TeslaError> {
        self.set_tesla(sender, ssrc, Direction::Outbound, Tesla::Sender(tesla)).map(|_| ())
    }

    /// Gives an inbound SSRC what is known of its key chain. From now on its packets are taken; what it had is gone, with
    /// the packets that wait.
    ///
    /// # Errors
    /// [`TeslaError::UnknownStream`], or [`TeslaError::NotTesla`] if the sender was installed without.
    pub fn set_tesla_receiver(
        &mut self,
        sender: SenderId,
        ssrc: Ssrc,
        tesla: TeslaReceiver,
    ) -> Result<(), TeslaError> {
        let slot = self.set_tesla(sender, ssrc, Direction::Inbound, Tesla::Receiver(tesla))?;
        self.tesla.insert(slot);
        Ok(())
    }

    /// The chain of an outbound SSRC: to see how far it is, and to add the one that follows.
    pub fn tesla_sender(&mut self, sender: SenderId, ssrc: Ssrc) -> Option<&mut TeslaSender> {
        self.tesla_stream(sender, ssrc).and_then(|(_, stream)| stream.tesla_sender_mut())
    }

    /// What is known of an inbound SSRC's chain: to see what came of its packets, and to add the chain that follows.
    pub fn tesla_receiver(&mut self, sender: SenderId, ssrc: Ssrc) -> Option<&mut TeslaReceiver> {
        self.tesla_stream(sender, ssrc).and_then(|(_, stream)| stream.tesla_receiver_mut())
    }

    /// The next packet that was [held](crate::UnprotectError::Held) and whose sender is now known. Ask until there is
    /// none, after every packet that came in for an SSRC with TESLA. Packets of one SSRC come in the order of their
    /// intervals, and of their indices in each.
    pub fn take_verified(&mut self) -> Option<Verified> {
        loop {
            let slot = *self.verified.front()?;
            let ready = self
                .streams
                .get_mut(slot)
                .and_then(|entry| Some((entry.stream.ssrc, entry.stream.tesla_receiver_mut()?.pop()?)));
            let Some((ssrc, ready)) = ready else {
                self.verified.pop_front();
                continue;
            };
            let (owner, sender) = self.whose(slot);
            let crate::tesla::Ready { packet, index, rekey_due } = ready;
            self.stats.accepted += 1;
            return Some(Verified { packet, ssrc, index, owner, sender, rekey_due });
        }
    }

    /// Takes note of a stream that may have packets to give.
    pub(super) fn note_verified(&mut self, slot: u32) {
        let receiver = self.streams.get(slot).and_then(|entry| entry.stream.tesla_receiver());
        if receiver.is_some_and(TeslaReceiver::has_ready) && self.verified.back() != Some(&slot) {
            self.verified.push_back(slot);
        }
    }

    /// Drops packets that have waited too long for their keys.
    pub(super) fn drop_undisclosed(&mut self, now: Time) {
        let mut gone = Vec::new();
        for slot in &self.tesla {
            match self.streams.get_mut(*slot).and_then(|entry| entry.stream.tesla_receiver_mut()) {
                Some(receiver) => {
                    receiver.expire(now);
                }
                None => gone.push(*slot),
            }
        }
        for slot in gone {
            self.tesla.remove(&slot);
        }
    }

    fn set_tesla(
        &mut self,
        sender: SenderId,
        ssrc: Ssrc,
        direction: Direction,
        tesla: Tesla,
    ) -> Result<u32, TeslaError> {
        let found = self.sender(sender).ok_or(TeslaError::UnknownStream)?;
        if found.direction != direction {
            return Err(TeslaError::UnknownStream);
        }
        if !found.tesla {
            return Err(TeslaError::NotTesla);
        }
        let (slot, stream) = self.tesla_stream(sender, ssrc).ok_or(TeslaError::UnknownStream)?;
        stream.rare.get_or_insert_default().tesla = Some(Box::new(tesla));
        Ok(slot)
    }

    fn tesla_stream(&mut self, sender: SenderId, ssrc: Ssrc) -> Option<(u32, &mut Stream)> {
        let slot =
            self.slots(sender).find(|slot| self.streams.get(*slot).is_some_and(|e| e.stream.ssrc == ssrc))?;
        self.streams.get_mut(slot).map(|entry| (slot, &mut entry.stream))
    }
}
