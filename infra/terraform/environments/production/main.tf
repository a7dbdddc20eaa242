# Production, and what releases go through: the registry and the pipelines. Nothing here but its own figures, which are
# docs/capacity.md's.

module "registry" {
  source     = "../../modules/registry"
  project_id = var.project_id
  region     = var.region
  readers = {
    # Cloud Run's own account pulls; the deployer must be able to see what it deploys.
    staging  = "serviceAccount:service-${var.staging.project_number}@serverless-robot-prod.iam.gserviceaccount.com"
    deployer = module.delivery.deployer
  }
}

module "gateway" {
  source = "../../modules/gateway"

  project_id = var.project_id
  region     = var.region
  host       = var.host
  images     = { registry = module.registry.address, tag = var.image_tag }
  deployer   = { member = module.delivery.deployer }

  sizes = {
    # Three, so that one may go while another starts.
    payments          = { min_instances = 3, max_instances = 50 }
    provider-webhooks = { min_instances = 2, max_instances = 20 }
    webhook-delivery  = { min_instances = 1, max_instances = 20 }
    settlement        = { min_instances = 1, max_instances = 2 }
    reconciliation    = { min_instances = 1, max_instances = 2 }
  }
  database = { name = var.database_name, min_processing_units = 3000, max_processing_units = 10000 }
  counters = { memory_gb = 2 }

  # The keys are live: a test token is refused, which goes all the way there and back, and moves no money.
  verifier_expects = "failed"

  stripe = var.stripe
  paypal = var.paypal
  bank   = var.bank
  settings = merge(
    # One trace in twenty; what fails is in the logs. The share alone would say nothing: the default keeps all.
    { OTEL_TRACES_SAMPLER = "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG = "0.05" },
    var.settings,
  )
}

module "observability" {
  source = "../../modules/observability"

  project_id               = var.project_id
  environment              = "production"
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
  capacity_per_second      = var.capacity_per_second
}

module "delivery" {
  source     = "../../modules/delivery"
  project_id = var.project_id
  region     = var.region
  functions  = toset(["payments", "provider-webhooks", "webhook-delivery", "settlement", "reconciliation"])
  staging    = var.staging
  production = {
    project_id     = var.project_id
    project_number = module.gateway.project_number
    alert_policies = module.observability.canary_alert_policies
  }
}
