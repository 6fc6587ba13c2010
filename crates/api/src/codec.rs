use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstDecoder, ProstEncoder};

/// With how much room a message begins, in bytes; most fit.
const MESSAGE_BYTES: usize = 256;
/// From how many bytes on a stream's messages are sent without waiting for the next one: tonic's own.
const YIELD_BYTES: usize = 32 * 1024;

fn buffers() -> BufferSettings {
    BufferSettings::new(MESSAGE_BYTES, YIELD_BYTES)
}

/// Protobuf as tonic's own codec writes and reads it, with smaller buffers.
///
/// Tonic begins each message of each call with 8 KiB, four times a unary call; messages here have
/// some hundred bytes. Larger ones make their buffers grow.
#[derive(Debug)]
pub(crate) struct ProstCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for ProstCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for ProstCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(buffers())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(buffers())
    }
}
