/* SPDX-License-Identifier: Apache-2.0 */
/* trust.h - a file of authorities, read once for all connections of the process.
 *
 * libcurl keeps what it has read of such a file for each multi handle, and those of the system take almost
 * a megabyte each time.  Here there is one copy of each file, shared by count, read again when the file is
 * another one than before.  Any thread.  */
#ifndef TRUST_H
#define TRUST_H

#include "err.h"

#include <curl/curl.h>
#include <openssl/x509_vfy.h>

/* The authorities of that file, a reference of the caller's (X509_STORE_free).  ERR_IO: it cannot be
 * read, ERR_INVALID: there is none in it. */
enum status trust_get(const char *path, X509_STORE **ret, struct err *err) NODISCARD;

/* The file of this system's authorities; NULL: libcurl knows of none.  Static. */
const char *trust_system(void);

/* easy trusts the authorities of that file alone, whatever it has been told, and shares no connection with
 * one that trusts another file.  path outlives easy.  false: libcurl has another library for TLS, and
 * nothing is changed. */
bool trust_apply(CURL *easy, const char *path);

/* Why a transfer failed, for people; said: what libcurl wrote of it, or "".  Static, or said. */
const char *trust_words(CURLcode how, const char *said);

#endif
