#ifndef LINEAR_H
#define LINEAR_H

#include "kernel.h"

/* out = in times the weight's transpose, for every row. */
void linear(const weight *w, rows in, rows out, int64_t num_threads);

/* How many outputs one thread computes at a time. */
int64_t rows_a_piece(const weight *w, int64_t num_threads);

/* For what a thread needs memory; one purpose may last while another comes and goes. */
enum purpose { INPUTS, VISITS, SCORES, LAYERS, NUM_PURPOSES };

/* Memory of the calling thread, valid until it asks again for the same purpose. */
uint8_t *scratch(enum purpose purpose, int64_t bytes);

#endif
