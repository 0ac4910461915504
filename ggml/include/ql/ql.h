/* ql/ql.h - the whole engine: include this one. */
#ifndef QL_H
#define QL_H
#include "ql/backend.h"
#include "ql/dtype.h"
#include "ql/gguf.h"
#include "ql/grad.h"
#include "ql/graph.h"
#include "ql/ops.h"
#include "ql/optim.h"
#include "ql/os.h"
#include "ql/plan.h"
#include "ql/selftest.h"
#include "ql/status.h"
#include "ql/tensor.h"
#endif
