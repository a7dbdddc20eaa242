mock_provider "google" {}

variables {
  project_id        = "tollgate-test"
  project_number    = "123456789012"
  region            = "asia-northeast1"
  name              = "payment-events"
  dead_letter_topic = "projects/tollgate-test/topics/dead"
  push = {
    endpoint = "https://delivery.example/pubsub/payment-events"
    audience = "https://delivery.example"
    account  = "tollgate-push@tollgate-test.iam.gserviceaccount.com"
  }
}

run "as_it_comes" {
  command = apply

  # A push carries a token and has a minute.
  assert {
    condition     = google_pubsub_subscription.push[0].push_config[0].oidc_token[0].service_account_email == "tollgate-push@tollgate-test.iam.gserviceaccount.com" && google_pubsub_subscription.push[0].push_config[0].oidc_token[0].audience == "https://delivery.example"
    error_message = "a push without a token, or for somebody else"
  }
  assert {
    condition     = google_pubsub_subscription.push[0].ack_deadline_seconds == 60
    error_message = "the ack deadline is 60 s"
  }
  assert {
    condition     = google_pubsub_subscription.push[0].retry_policy[0].minimum_backoff == "10s" && google_pubsub_subscription.push[0].retry_policy[0].maximum_backoff == "600s"
    error_message = "it is pushed again without a pause"
  }
  assert {
    condition     = google_pubsub_subscription.push[0].expiration_policy[0].ttl == ""
    error_message = "a quiet month deletes the subscription"
  }

  # What is pushed too often is a dead letter and pubsub may move it.
  assert {
    condition     = [for it in google_pubsub_subscription.push[0].dead_letter_policy : [it.dead_letter_topic, it.max_delivery_attempts]] == [["projects/tollgate-test/topics/dead", 5]]
    error_message = "no dead letter"
  }
  assert {
    condition     = google_pubsub_topic_iam_member.dead_letters[0].member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com" && google_pubsub_topic_iam_member.dead_letters[0].topic == "projects/tollgate-test/topics/dead" && google_pubsub_topic_iam_member.dead_letters[0].role == "roles/pubsub.publisher"
    error_message = "Pub/Sub may not publish dead letters"
  }
  assert {
    condition     = google_pubsub_subscription_iam_member.dead_letters[0].member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com" && google_pubsub_subscription_iam_member.dead_letters[0].role == "roles/pubsub.subscriber"
    error_message = "Pub/Sub may not acknowledge what it moved"
  }

  # Messages stay in their region.
  assert {
    condition     = toset(google_pubsub_topic.this.message_storage_policy[0].allowed_persistence_regions) == toset(["asia-northeast1"])
    error_message = "messages are kept anywhere"
  }
}

run "a_push_without_a_dead_letter_is_refused" {
  command = plan
  variables {
    dead_letter_topic = null
  }
  expect_failures = [var.dead_letter_topic]
}

run "without_a_push_messages_wait" {
  command = apply
  variables {
    push              = null
    dead_letter_topic = null
    retention_days    = 31
  }
  assert {
    condition     = length(google_pubsub_subscription.push) == 0 && google_pubsub_subscription.kept[0].message_retention_duration == "2678400s" && google_pubsub_subscription.kept[0].expiration_policy[0].ttl == ""
    error_message = "what nobody fetches is forgotten"
  }
  assert {
    condition     = !output.is_pushed && output.dead_letter_topic == null
    error_message = "it says that it is pushed"
  }
}

run "a_schema_is_checked_where_there_is_one" {
  command = apply
  variables {
    schema = "{\"type\":\"record\",\"name\":\"M\",\"fields\":[]}"
  }
  assert {
    condition     = google_pubsub_schema.this[0].type == "AVRO" && google_pubsub_topic.this.schema_settings[0].encoding == "JSON"
    error_message = "messages are not checked"
  }
}

run "pubsub_takes_five_to_a_hundred_attempts" {
  command = plan
  variables {
    max_delivery_attempts = 4
  }
  expect_failures = [var.max_delivery_attempts]
}

run "a_push_over_plain_http_is_refused" {
  command = plan
  variables {
    push = {
      endpoint = "http://delivery.example/pubsub/payment-events"
      audience = "https://delivery.example"
      account  = "tollgate-push@tollgate-test.iam.gserviceaccount.com"
    }
  }
  expect_failures = [var.push]
}
