# Staging: the same as production, smaller, on the providers' test keys. Nothing here but its own figures,
# which are docs/capacity.md's.

module "gateway" {
  source = "../../modules/gateway"

  project_id = var.project_id
  region     = var.region
  host       = var.host
  images     = { registry = "${var.region}-docker.pkg.dev/${var.delivery_project_id}/tollgate", tag = var.image_tag }
  deployer   = { member = "serviceAccount:tollgate-deploy@${var.delivery_project_id}.iam.gserviceaccount.com" }

  sizes = {
    payments          = { min_instances = 0, max_instances = 3 }
    provider-webhooks = { min_instances = 0, max_instances = 3 }
    webhook-delivery  = { min_instances = 0, max_instances = 3 }
    settlement        = { min_instances = 0, max_instances = 1 }
    reconciliation    = { min_instances = 0, max_instances = 1 }
  }
  database = { name = var.database_name, min_processing_units = 100, max_processing_units = 100, backup_retention_days = 7 }
  counters = { memory_gb = 1, has_standby = false }

  stripe = var.stripe
  paypal = var.paypal
  bank   = var.bank
  settings = merge(
    # Stripe's test mode allows a quarter of what live mode does.
    { STRIPE_REQUESTS_PER_SECOND = "20", STRIPE_ENDPOINT_REQUESTS_PER_SECOND = "20" },
    var.settings,
  )
}

module "observability" {
  source = "../../modules/observability"

  project_id               = var.project_id
  environment              = "staging"
  region                   = var.region
  host                     = var.host
  services                 = module.gateway.services
  pager_emails             = var.pager_emails
  pager_channels           = var.pager_channels
  ticket_emails            = var.ticket_emails
  escalation_emails        = var.escalation_emails
  runbooks_url             = var.runbooks_url
  has_objectives           = var.has_objectives
  spanner_instance         = module.gateway.spanner.instance
  spanner_database         = module.gateway.spanner.database
  redis_instance           = module.gateway.redis_instance
  dead_letter_subscription = module.gateway.dead_letter_subscription
  capacity_per_second      = 5
}
