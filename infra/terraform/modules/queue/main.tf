locals {
  day = 24 * 60 * 60
  # Pub/Sub itself moves a dead letter, as this account of Google's.
  pubsub = "serviceAccount:service-${var.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_schema" "this" {
  count      = var.schema == null ? 0 : 1
  project    = var.project_id
  name       = var.name
  type       = "AVRO"
  definition = var.schema
}

resource "google_pubsub_topic" "this" {
  project                    = var.project_id
  name                       = var.name
  message_retention_duration = var.replay_days == 0 ? null : "${var.replay_days * local.day}s"

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  dynamic "schema_settings" {
    for_each = google_pubsub_schema.this
    content {
      schema   = schema_settings.value.id
      encoding = "JSON"
    }
  }
}

resource "google_pubsub_subscription" "push" {
  count                      = var.push == null ? 0 : 1
  project                    = var.project_id
  name                       = var.name
  topic                      = google_pubsub_topic.this.id
  ack_deadline_seconds       = var.ack_deadline_seconds
  message_retention_duration = "${var.retention_days * local.day}s"

  # Never: a quiet month must not delete it.
  expiration_policy {
    ttl = ""
  }

  push_config {
    push_endpoint = var.push.endpoint
    oidc_token {
      service_account_email = var.push.account
      audience              = var.push.audience
    }
  }

  retry_policy {
    minimum_backoff = "${var.push.min_backoff_seconds}s"
    maximum_backoff = "${var.push.max_backoff_seconds}s"
  }

  dead_letter_policy {
    dead_letter_topic     = var.dead_letter_topic
    max_delivery_attempts = var.max_delivery_attempts
  }
}

# Without a push somebody has to fetch what is here: nothing is lost meanwhile.
resource "google_pubsub_subscription" "kept" {
  count                      = var.push == null ? 1 : 0
  project                    = var.project_id
  name                       = var.name
  topic                      = google_pubsub_topic.this.id
  ack_deadline_seconds       = var.ack_deadline_seconds
  message_retention_duration = "${var.retention_days * local.day}s"

  expiration_policy {
    ttl = ""
  }
}

# What dead-lettering needs: Pub/Sub publishes there, and acknowledges here. Without both it silently pushes for ever.
resource "google_pubsub_topic_iam_member" "dead_letters" {
  count   = var.push == null ? 0 : 1
  project = var.project_id
  topic   = var.dead_letter_topic
  role    = "roles/pubsub.publisher"
  member  = local.pubsub
}

resource "google_pubsub_subscription_iam_member" "dead_letters" {
  count        = var.push == null ? 0 : 1
  project      = var.project_id
  subscription = google_pubsub_subscription.push[0].name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub
}
