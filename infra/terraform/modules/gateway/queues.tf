# The topics, who is pushed to, and where what cannot be handled ends: always in `undeliverable`, which keeps it for 31 days and
# alerts. No push subscription ends nowhere, and none loses anything.
#
#   payment-events ──▶ webhook-delivery        ──5×──▶ payment-events-dead ──▶ webhook-delivery ──100×──┐
#   dead-letter ─────▶ webhook-delivery        ──100×───────────────────────────────────────────────────┤
#   provider-events ─▶ provider-webhooks       ──100×─▶ provider-events-late ─▶ the same ────────100×───┴─▶ undeliverable

locals {
  push = {
    webhook-delivery  = "${local.urls["webhook-delivery"]}/pubsub"
    provider-webhooks = "${local.urls["provider-webhooks"]}/pubsub"
    settlement        = "${local.urls["settlement"]}/pubsub"
  }

  message_schema = file("${path.module}/message.avsc")

  topics = merge(
    {
      payment-events  = module.payment_events.topic
      dead-letter     = module.dead_letter.topic
      provider-events = module.provider_events.topic
    },
    { for queue in module.settlement_shards : "settlement-shards" => queue.topic },
  )

  queues = merge(
    {
      payment-events       = module.payment_events
      payment-events-dead  = module.payment_events_dead
      dead-letter          = module.dead_letter
      provider-events      = module.provider_events
      provider-events-late = module.provider_events_late
      undeliverable        = module.undeliverable
    },
    { for queue in module.settlement_shards : "settlement-shards" => queue },
  )
}

# What nobody could handle. Whoever is alerted looks at it, and has it pushed again: docs/runbooks/webhook-delivery.md.
module "undeliverable" {
  source         = "../queue"
  project_id     = module.project.project_id
  project_number = module.project.number
  region         = var.region
  name           = "undeliverable"
  retention_days = 31
}

module "payment_events" {
  source                = "../queue"
  project_id            = module.project.project_id
  project_number        = module.project.number
  region                = var.region
  name                  = "payment-events"
  schema                = local.message_schema
  dead_letter_topic     = module.payment_events_dead.topic
  max_delivery_attempts = 5
  push = {
    endpoint = "${local.push.webhook-delivery}/payment-events"
    audience = local.urls["webhook-delivery"]
    account  = google_service_account.caller["push"].email
  }
}

# No schema: what Pub/Sub moves here is to arrive whatever it is.
module "payment_events_dead" {
  source                = "../queue"
  project_id            = module.project.project_id
  project_number        = module.project.number
  region                = var.region
  name                  = "payment-events-dead"
  dead_letter_topic     = module.undeliverable.topic
  max_delivery_attempts = 100
  push = {
    endpoint = "${local.push.webhook-delivery}/dead-letter"
    audience = local.urls["webhook-delivery"]
    account  = google_service_account.caller["push"].email
  }
}

module "dead_letter" {
  source                = "../queue"
  project_id            = module.project.project_id
  project_number        = module.project.number
  region                = var.region
  name                  = "dead-letter"
  schema                = local.message_schema
  dead_letter_topic     = module.undeliverable.topic
  max_delivery_attempts = 100
  push = {
    endpoint = "${local.push.webhook-delivery}/dead-letter"
    audience = local.urls["webhook-delivery"]
    account  = google_service_account.caller["push"].email
  }
}

# Providers' events that came while the store was away. They stand nowhere else, so none is ever given up: a hundred pushes, a minute
# apart (a hundred minutes), then a hundred more, ten minutes apart (some 16 hours), and then they are kept until somebody has looked. The topic
# keeps all of them besides, so that a subscription can be set back: applying one twice is a duplicate. No schema: a newer program's event, or
# an older one's, must not be refused here.
module "provider_events" {
  source                = "../queue"
  project_id            = module.project.project_id
  project_number        = module.project.number
  region                = var.region
  name                  = "provider-events"
  dead_letter_topic     = module.provider_events_late.topic
  max_delivery_attempts = 100
  retention_days        = 31
  replay_days           = 31
  push = {
    endpoint            = "${local.push.provider-webhooks}/provider-events"
    audience            = local.urls["provider-webhooks"]
    account             = google_service_account.caller["push"].email
    max_backoff_seconds = 60
  }
}

module "provider_events_late" {
  source                = "../queue"
  project_id            = module.project.project_id
  project_number        = module.project.number
  region                = var.region
  name                  = "provider-events-late"
  dead_letter_topic     = module.undeliverable.topic
  max_delivery_attempts = 100
  retention_days        = 31
  push = {
    endpoint = "${local.push.provider-webhooks}/provider-events"
    audience = local.urls["provider-webhooks"]
    account  = google_service_account.caller["push"].email
    # The longest that Pub/Sub waits.
    min_backoff_seconds = 300
    max_backoff_seconds = 600
  }
}

# Parts of a settlement. Off, a settlement is made by one run, chunk after chunk.
module "settlement_shards" {
  source                = "../queue"
  count                 = var.has_settlement_shards ? 1 : 0
  project_id            = module.project.project_id
  project_number        = module.project.number
  region                = var.region
  name                  = "settlement-shards"
  dead_letter_topic     = module.undeliverable.topic
  max_delivery_attempts = 10
  push = {
    endpoint = "${local.push.settlement}/settlement-shards"
    audience = local.urls["settlement"]
    account  = google_service_account.caller["push"].email
  }
}
