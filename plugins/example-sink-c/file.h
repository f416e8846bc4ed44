/* The file: lines are appended to it and are on stable storage before anybody is told so. */
#ifndef EXAMPLE_FILE_H
#define EXAMPLE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All of these leave the reason in errno when they fail. Paths are absolute and shorter than PATH_MAX. */

/* Makes the folders of `path` that are missing, for their owner alone. */
bool file_make_folders(const char *path);

/* Opens the regular file `path` to append to it, and makes it if it is missing; -1 if it cannot be. */
int file_open(const char *path);

/* Appends whole lines and syncs. Twice the same lines is no harm: events tell themselves apart by their id. */
bool file_append(int file, const uint8_t *lines, size_t length);

#endif
