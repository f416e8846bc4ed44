//! Memory that the C library keeps after instances went. Must never free anything itself.

/// Heaps of the C library in this process, at most.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: std::ffi::c_int = 2;

/// Lets all threads share few heaps, plug-ins' threads too. To be called once, before there are threads.
///
/// glibc has eight heaps per core. Each reload makes and destroys instances on threads that come and go, and what lives on
/// holds pages of every heap that it was spread over: under load a reload left about 160 KiB behind, and leaves about 25 KiB
/// with two heaps (`PATD_TEST_RELOADS=1000 cargo xtask test -- no_request_fails`). Where the C library is another one, it
/// does nothing.
pub fn share_heaps() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// From glibc's `malloc.h`.
        const M_ARENA_MAX: std::ffi::c_int = -8;
        unsafe extern "C" {
            fn mallopt(parameter: std::ffi::c_int, value: std::ffi::c_int) -> std::ffi::c_int;
        }
        // SAFETY: glibc's own function; its only demand is that no other thread calls it at the same time.
        unsafe { mallopt(M_ARENA_MAX, HEAPS) };
    }
}

/// Gives memory that is free back to the system: the C library keeps what was freed when instances went. Where it is another
/// one, it does nothing.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        // SAFETY: glibc's own function, thread-safe, touches free memory only.
        unsafe { malloc_trim(0) };
    }
}
