/* ql/models.h - language models on the engine: include this one. */
#ifndef QL_MODELS_H
#define QL_MODELS_H
#include "ql/adapter.h"
#include "ql/chat.h"
#include "ql/dataset.h"
#include "ql/generate.h"
#include "ql/model.h"
#include "ql/quantize.h"
#include "ql/tokenizer.h"
#include "ql/train.h"
#endif
