/* ql/models.h - language models on the engine: include this one.
 *
 *     ql_device * device;
 *     ql_model * model;
 *     ql_dataset * data;
 *     ql_adapter * adapter;
 *     ql_trainer * trainer;
 *     ql_device_open(NULL, &device);                        each of these returns a ql_status
 *     ql_model_open("model.gguf", NULL, &model);            NULL: the defaults
 *     ql_dataset_open("chats.jsonl", model, NULL, &data);
 *     ql_adapter_create(model, NULL, &adapter);
 *     ql_trainer_create(model, device, adapter, data, NULL, NULL, &trainer);
 *     ql_trainer_run(trainer);                              the adapter is trained in place
 *     ql_adapter_save(adapter, "adapter.gguf");
 *     ql_trainer_free(trainer);                             what was made last is freed first
 *     ql_adapter_free(adapter);
 *     ql_dataset_free(data);
 *     ql_model_close(model);
 *     ql_device_close(device);
 *
 * Chapters, in the order in which a first reader needs them:
 *     model.h, adapter.h        models and LoRA adapters: opening, describing, saving
 *     dataset.h, train.h        training data, and the runs over them
 *     generate.h                sessions with a cache, sampling, the loss of a text
 *     prompts.h                 many prompts, answered at once
 *     engine.h                  many conversations at once, with adapters of their own
 *     tokenizer.h, chat.h       text to tokens and back; conversations as text
 *     quantize.h                rewriting a model file with other types
 *
 * Threads: a model and its tokenizer do not change once opened and may be shared, as may a device; a session and a
 * trainer are used by one thread at a time, and those of several threads take turns on one device.
 *
 * Stability: as ql/ql.h says. Options are structs with an _init function: call it, then set what is to differ. */
#ifndef QL_MODELS_H
#define QL_MODELS_H
#include "ql/model.h"
#include "ql/adapter.h"
#include "ql/dataset.h"
#include "ql/train.h"
#include "ql/generate.h"
#include "ql/prompts.h"
#include "ql/engine.h"
#include "ql/tokenizer.h"
#include "ql/chat.h"
#include "ql/quantize.h"
#endif
