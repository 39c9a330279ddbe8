/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_verdict.h - what librdkafka's errors mean for a payload. */
#ifndef KAFKA_VERDICT_H
#define KAFKA_VERDICT_H

#include "err.h"

#include <librdkafka/rdkafka.h>

/* The end of a message whose delivery report says so; persisted: what it says of the outcome.
 * A retryable one is ERR_AGAIN where the message cannot have been stored, else ERR_TIMEOUT or
 * ERR_IO. */
enum status kafka_verdict(rd_kafka_resp_err_t e, rd_kafka_msg_status_t persisted);

/* An error of a connection, by what the library says of it: that a broker has refused the client's
 * certificate is RD_KAFKA_RESP_ERR__SSL, also when it says so after the handshake (TLS 1.3). */
rd_kafka_resp_err_t kafka_error(int code, const char *reason);

/* What to do about an error that an operator makes, to stand behind its text; "" for others. */
const char *kafka_hint(rd_kafka_resp_err_t e);

/* The same for a login by SCRAM that was refused: that a password is wrong is what brokers say also
 * where this library cannot do it. */
const char *kafka_hint_scram(void);

#endif
