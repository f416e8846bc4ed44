//! Hashers: direct calls, no IO, no threads. A hasher must never see a stored digest and never gives a verdict: it
//! derives, and the daemon compares.

use std::ffi::c_void;
use std::mem::size_of;

use patd_abi::{Bytes, Create, Out, Status};
use zeroize::Zeroize;

use crate::{Context, Failure, HasherDescription, guard, trace};

/// What an author of a hasher implements.
pub trait Hasher: Send + Sync + Sized + 'static {
    /// Makes an instance from its configuration. No IO, no threads.
    ///
    /// # Errors
    /// INVALID with the key and what it accepts.
    fn create(context: &Context) -> Result<Self, Failure>;

    /// Describes the hasher; `me` is `None` before `create`.
    fn describe(me: Option<&Self>) -> HasherDescription;

    /// Public text (scheme, cost, salt) for a new digest. The host makes the salt.
    ///
    /// # Errors
    /// INVALID when the salt does not fit.
    fn new_params(&self, salt: &[u8]) -> Result<String, Failure>;

    /// The digest of `secret` under `params`, which may come from a hostile row: refuse absurd costs. The SDK wipes
    /// the digest after it is handed over.
    ///
    /// # Errors
    /// INVALID when `params` are not this hasher's or ask for too much.
    fn derive(&self, secret: &[u8], params: &str) -> Result<Vec<u8>, Failure>;

    /// Whether `params` are not what `new_params` would give today.
    ///
    /// # Errors
    /// INVALID when `params` are not this hasher's.
    fn needs_rehash(&self, params: &str) -> Result<bool, Failure>;
}

/// Reads a number of a parameters text: decimal, without sign or leading zeros, so that each has one spelling.
#[must_use]
pub fn decimal(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

/// The C table of a hasher.
#[must_use]
pub const fn table<T: Hasher>() -> patd_abi::Hasher {
    patd_abi::Hasher {
        struct_size: size_of::<patd_abi::Hasher>() as u32,
        reserved: 0,
        flags: 0,
        create: Some(create::<T>),
        destroy: Some(destroy::<T>),
        describe: Some(describe::<T>),
        new_params: Some(new_params::<T>),
        derive: Some(derive::<T>),
        needs_rehash: Some(needs_rehash::<T>),
    }
}

unsafe extern "C" fn create<T: Hasher>(
    input: *const Create,
    out_self: *mut *mut c_void,
    detail: Out,
) -> Status {
    guard::call(Some(detail), || {
        // SAFETY: the host passes the struct of the ABI.
        let context = unsafe { Context::read(input) }?;
        trace::install(context.host());
        let me = Box::new(T::create(&context)?);
        // SAFETY: the host passes a place for one pointer.
        unsafe { *out_self = Box::into_raw(me).cast() };
        Ok(())
    })
}

unsafe extern "C" fn destroy<T: Hasher>(me: *mut c_void) {
    guard::call(None, || {
        if !me.is_null() {
            // SAFETY: `me` came from `create` and the host uses it no more.
            drop(unsafe { Box::from_raw(me.cast::<T>()) });
        }
        Ok(())
    });
}

unsafe extern "C" fn describe<T: Hasher>(me: *mut c_void, json: Out) -> Status {
    guard::call(None, || {
        // SAFETY: NULL or an instance.
        let description = T::describe(unsafe { me.cast::<T>().as_ref() });
        let text = serde_json::to_vec(&description).map_err(|error| Failure::internal(error.to_string()))?;
        guard::write(json, &text);
        Ok(())
    })
}

unsafe extern "C" fn new_params<T: Hasher>(me: *mut c_void, salt: Bytes, params: Out, detail: Out) -> Status {
    guard::call(Some(detail), || {
        // SAFETY: an instance of T; the salt is borrowed for this call.
        let (me, salt) = unsafe { (guard::instance::<T>(me)?, salt.as_slice()) };
        guard::write(params, me.new_params(salt)?.as_bytes());
        Ok(())
    })
}

unsafe extern "C" fn derive<T: Hasher>(
    me: *mut c_void,
    secret: Bytes,
    params: Bytes,
    digest: Out,
    detail: Out,
) -> Status {
    guard::call(Some(detail), || {
        // SAFETY: an instance of T; secret and params are borrowed for this call.
        let (me, secret, params) =
            unsafe { (guard::instance::<T>(me)?, secret.as_slice(), guard::text(params, "params")?) };
        let mut derived = me.derive(secret, params)?;
        guard::write(digest, &derived);
        derived.zeroize();
        Ok(())
    })
}

unsafe extern "C" fn needs_rehash<T: Hasher>(me: *mut c_void, params: Bytes, answer: *mut u32) -> Status {
    guard::call(None, || {
        // SAFETY: an instance of T; params are borrowed for this call.
        let (me, params) = unsafe { (guard::instance::<T>(me)?, guard::text(params, "params")?) };
        let needed = me.needs_rehash(params)?;
        // SAFETY: the host passes a place for one u32.
        unsafe { *answer = u32::from(needed) };
        Ok(())
    })
}
