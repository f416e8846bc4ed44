//! Memory that the C library keeps after instances went. Must never free anything itself.

/// Gives memory that is free back to the system. A reload makes and destroys instances on threads that come and go, and the C
/// library keeps what was freed in a heap per thread: more with each reload, none of it in use. Where the C library is another
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
