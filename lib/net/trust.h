/* SPDX-License-Identifier: Apache-2.0 */
/* trust.h - a file of authorities, read once for all connections of the process.
 *
 * libcurl keeps what it has read of such a file for each multi handle, and those of the system take almost
 * a megabyte each time.  Here there is one copy of each file, shared by count, and a new one when the file
 * has other bytes than before.  Connections keep the copy that they began with: BUDGET_CLIENTS counts it
 * until the last of them is gone.  The newest copy stays for an hour after that, and is then given up when
 * somebody connects, with whatever file; if nobody ever does, it stays.
 *
 * Any thread.  A file whose mount hangs holds up the threads that ask for that file, and no others.  */
#ifndef TRUST_H
#define TRUST_H

#include "err.h"

#include <curl/curl.h>
#include <openssl/x509_vfy.h>

/* The authorities of that file, a reference of the caller's (X509_STORE_free).  ERR_IO: it cannot be
 * read, ERR_INVALID: there is none in it, or it is no regular file, ERR_LIMIT: it has more than 8 MiB. */
enum status trust_get(const char *path, X509_STORE **ret, struct err *err) NODISCARD;

/* The file of this system's authorities; NULL: libcurl knows of none.  Static. */
const char *trust_system(void);

/* easy trusts the authorities of that file alone, in place of all that CURLOPT_CAINFO, _CAINFO_BLOB and
 * _CAPATH have told it, which are not to be set after this, and shares no connection with one that trusts
 * another file.  Not for one with a proxy over TLS, which would have to be trusted by the same file, nor with
 * CURLOPT_CRLFILE, which libcurl would add to what all share.  path outlives easy.  false: libcurl has
 * another library for TLS, and nothing is changed. */
bool trust_apply(CURL *easy, const char *path);

/* Why a transfer failed, for people; said: what libcurl wrote of it, or "".  Static, or said. */
const char *trust_words(CURLcode how, const char *said);

#endif
