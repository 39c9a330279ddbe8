/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_verdict.c - librdkafka's errors; the contract is in kafka_verdict.h. */
#include "kafka_verdict.h"

/* Without regard to what is known of the outcome.  What is not named here may pass. */
static enum status status_of(rd_kafka_resp_err_t e)
{
    switch ((int)e) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: return OK;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE: return ERR_LIMIT;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE:
    case RD_KAFKA_RESP_ERR_SECURITY_DISABLED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE: return ERR_DENIED;
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD: return ERR_INVALID;
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS: return ERR_AGAIN;
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT: return ERR_TIMEOUT;
    default: return ERR_IO;
    }
}

enum status kafka_verdict(rd_kafka_resp_err_t e, rd_kafka_msg_status_t persisted)
{
    enum status s = status_of(e);
    if (persisted == RD_KAFKA_MSG_STATUS_PERSISTED)
        return OK;
    if (persisted == RD_KAFKA_MSG_STATUS_NOT_PERSISTED && status_retryable(s))
        return ERR_AGAIN;
    if (persisted == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED && s == ERR_AGAIN)
        return ERR_IO;
    return s;
}

rd_kafka_resp_err_t kafka_error(int code, const char *reason)
{
    const char *tls = strstr(reason, "SSL routines");
    return code == RD_KAFKA_RESP_ERR__TRANSPORT && tls && strstr(tls, "alert")
               ? RD_KAFKA_RESP_ERR__SSL
               : (rd_kafka_resp_err_t)code;
}

const char *kafka_hint(rd_kafka_resp_err_t e)
{
    switch ((int)e) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED: return "; check sasl";
    case RD_KAFKA_RESP_ERR__SSL: return "; check tls.ca, tls.cert and protocol";
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return "; make the topic, or let the brokers do so (auto.create.topics.enable)";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED: return "; it needs the right Write";
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return "; grant IdempotentWrite, or say idempotence: false";
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS: return "; see min.insync.replicas of the topic";
    default: return "";
    }
}

const char *kafka_hint_scram(void)
{
    return rd_kafka_version() < 0x02060100
               ? "; check sasl; librdkafka before 2.6.1 has no SCRAM for brokers 4.0 and newer"
               : kafka_hint(RD_KAFKA_RESP_ERR__AUTHENTICATION);
}
