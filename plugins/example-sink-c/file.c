#define _POSIX_C_SOURCE 200809L /* -std=c11 alone hides O_CLOEXEC, fsync and their like */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Closes what could not be used, and keeps the reason. */
static int give_up(int file, int reason) {
  if (file >= 0) (void)close(file);
  errno = reason;
  return -1;
}

/* A new name survives a power cut only when its folder was synced. */
static bool sync_folder_of(const char *path) {
  char folder[PATH_MAX];
  const size_t length = (size_t)(strrchr(path, '/') - path);
  memcpy(folder, path, length);
  folder[length] = 0;
  const int file = open(length > 0 ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0 || fsync(file) != 0) {
    (void)give_up(file, errno);
    return false;
  }
  return close(file) == 0;
}

bool file_make_folders(const char *path) {
  char part[PATH_MAX];
  memcpy(part, path, strlen(path) + 1);
  for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    if (mkdir(part, 0700) == 0 ? !sync_folder_of(part) : errno != EEXIST) return false;
    *slash = '/';
  }
  return true;
}

int file_open(const char *path) {
  /* O_NONBLOCK: a pipe of that name must not hold the thread. O_NOFOLLOW: a link must not lead elsewhere. O_RDWR: the end is read. */
  const int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  struct stat status;
  int file = open(path, flags);
  if (file < 0 && errno == ENOENT) {
    file = open(path, flags | O_CREAT, 0600);
    if (file >= 0 && !sync_folder_of(path)) return give_up(file, errno);
  }
  if (file < 0 || fstat(file, &status) != 0) return give_up(file, errno);
  return S_ISREG(status.st_mode) ? file : give_up(file, EINVAL);
}

static bool write_all(int file, const void *bytes, size_t length) {
  for (const uint8_t *at = bytes; length > 0;) {
    const ssize_t wrote = write(file, at, length);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return false;
    at += wrote;
    length -= (size_t)wrote;
  }
  return true;
}

bool file_append(int file, const uint8_t *lines, size_t length) {
  struct stat status;
  char last = '\n';
  if (fstat(file, &status) != 0 || (status.st_size > 0 && pread(file, &last, 1, status.st_size - 1) < 0)) return false;
  /* What a full disk or a crash left of a line is ended, never cut off: the file is evidence, and its event comes again. */
  if (last != '\n' && !write_all(file, "\n", 1)) return false;
  return write_all(file, lines, length) && fsync(file) == 0;
}
