output "project_number" {
  description = "The project's number."
  value       = module.project.number
}

output "address" {
  description = "Where the host's A record must point."
  value       = module.edge.address
}

output "public_url" {
  description = "Where merchants, payers and providers reach the gateway."
  value       = module.edge.public_url
}

output "services" {
  description = "The Cloud Run service of each function."
  value       = { for name, function in module.function : name => function.service }
}

output "accounts" {
  description = "The account that each function runs as."
  value       = local.accounts
}

output "public_functions" {
  description = "The functions that anybody may call."
  value       = sort([for name, function in module.function : name if function.is_public])
}

output "manifests" {
  description = "Each function's service as Cloud Deploy takes it (YAML)."
  value       = { for name, function in module.function : name => function.manifest }
}

output "environment_names" {
  description = "The environment variables of each function and command: names only."
  value = merge(
    { for name, function in module.function : name => function.environment_names },
    { migrate = module.migrate.environment_names, verify = module.verify.environment_names },
  )
}

output "environment" {
  description = "The environment variables of each function that are no secrets."
  value       = { for name, function in module.function : name => function.environment }
}

output "queues" {
  description = "Each topic: whether it is pushed, and where what was pushed too often goes."
  value = { for name, queue in local.queues : name => {
    is_pushed         = queue.is_pushed
    topic             = queue.topic
    dead_letter_topic = queue.dead_letter_topic
  } }
}

output "dead_letter_subscription" {
  description = "The subscription whose every message wants a person's eye."
  value       = module.undeliverable.subscription
}

output "jobs" {
  description = "The jobs in Cloud Scheduler."
  value       = { for name, schedule in module.schedule : name => schedule.job }
}

output "schedules" {
  description = "When each job is called, by whose clock, and how long a run may take."
  value       = { for name, schedule in module.schedule : name => schedule.when }
}

output "routed_paths" {
  description = "All paths that are routed from outside."
  value       = module.edge.routed_paths
}

output "spanner" {
  description = "The database."
  value       = { instance = module.database.instance, database = module.database.database }
}

output "redis_instance" {
  description = "The Redis instance."
  value       = module.counters.instance
}

output "verifier_arguments" {
  description = "What the verifier is called with where nobody says otherwise."
  value       = module.verify.arguments
}

output "recovery" {
  description = "How what is lost can be had back."
  value = {
    point_in_time_recovery_hours = var.database.point_in_time_recovery_hours
    is_protected                 = module.database.is_protected
    has_standby                  = var.counters.has_standby
  }
}
