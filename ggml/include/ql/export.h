/* ql/export.h - which symbols the shared libraries show. Everything else is hidden. */
#ifndef QL_EXPORT_H
#define QL_EXPORT_H

#if defined(_WIN32)
#if defined(QL_BUILDING)
#define QL_API __declspec(dllexport)
#elif defined(QL_STATIC)
#define QL_API
#else
#define QL_API __declspec(dllimport)
#endif
#else
#define QL_API __attribute__((visibility("default")))
#endif

#endif
