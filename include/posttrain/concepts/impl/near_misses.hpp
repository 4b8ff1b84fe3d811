// SPDX-License-Identifier: Apache-2.0
// Names of the facets of concepts/gate.hpp, and likely misspellings of each. Written by
// tests/tools/near_misses.py.
#pragma once

// clang-format off
#define POSTTRAIN_FACETS(X) \
  X(virtual_tokens) X(prepare) X(prompt_ids) \
  X(prefix) X(after_layer) X(critic_values) \
  X(critic_hidden) X(teacher_hidden) X(teacher_logits) \
  X(begin_batch) X(end_batch) X(checkpoint_tensors) \
  X(release_masters) X(reference) X(weights_version)

#define POSTTRAIN_NEAR_MISSES(X) \
  X(irtual_tokens, virtual_tokens) X(ivrtual_tokens, virtual_tokens) \
  X(viirtual_tokens, virtual_tokens) X(virrtual_tokens, virtual_tokens) \
  X(virtal_tokens, virtual_tokens) X(virtaul_tokens, virtual_tokens) \
  X(virttual_tokens, virtual_tokens) X(virtua_ltokens, virtual_tokens) \
  X(virtua_tokens, virtual_tokens) X(virtuaal_tokens, virtual_tokens) \
  X(virtualTokens, virtual_tokens) X(virtual_okens, virtual_tokens) \
  X(virtual_otkens, virtual_tokens) X(virtual_tkens, virtual_tokens) \
  X(virtual_tkoens, virtual_tokens) X(virtual_toekns, virtual_tokens) \
  X(virtual_toens, virtual_tokens) X(virtual_tokeens, virtual_tokens) \
  X(virtual_token, virtual_tokens) X(virtual_tokenns, virtual_tokens) \
  X(virtual_tokenss, virtual_tokens) X(virtual_tokes, virtual_tokens) \
  X(virtual_tokesn, virtual_tokens) X(virtual_tokkens, virtual_tokens) \
  X(virtual_toknes, virtual_tokens) X(virtual_tokns, virtual_tokens) \
  X(virtual_tookens, virtual_tokens) X(virtual_ttokens, virtual_tokens) \
  X(virtuall_tokens, virtual_tokens) X(virtualt_okens, virtual_tokens) \
  X(virtualtokens, virtual_tokens) X(virtul_tokens, virtual_tokens) \
  X(virtula_tokens, virtual_tokens) X(virtuual_tokens, virtual_tokens) \
  X(virual_tokens, virtual_tokens) X(virutal_tokens, virtual_tokens) \
  X(vitrual_tokens, virtual_tokens) X(vitual_tokens, virtual_tokens) \
  X(vritual_tokens, virtual_tokens) X(vrtual_tokens, virtual_tokens) \
  X(vvirtual_tokens, virtual_tokens) \
  X(pepare, prepare) X(perpare, prepare) X(pprepare, prepare) X(preapre, prepare) \
  X(preare, prepare) X(preepare, prepare) X(prepaare, prepare) X(prepae, prepare) \
  X(prepaer, prepare) X(prepar, prepare) X(preparee, prepare) X(preparre, prepare) \
  X(preppare, prepare) X(preprae, prepare) X(prepre, prepare) X(prpare, prepare) \
  X(prpeare, prepare) X(prrepare, prepare) X(repare, prepare) X(rpepare, prepare) \
  X(pompt_ids, prompt_ids) X(pormpt_ids, prompt_ids) X(pprompt_ids, prompt_ids) \
  X(prmopt_ids, prompt_ids) X(prmpt_ids, prompt_ids) X(prommpt_ids, prompt_ids) \
  X(promp_ids, prompt_ids) X(promp_tids, prompt_ids) X(promppt_ids, prompt_ids) \
  X(promptIds, prompt_ids) X(prompt_dis, prompt_ids) X(prompt_ds, prompt_ids) \
  X(prompt_id, prompt_ids) X(prompt_idds, prompt_ids) X(prompt_idss, prompt_ids) \
  X(prompt_iids, prompt_ids) X(prompt_is, prompt_ids) X(prompt_isd, prompt_ids) \
  X(prompti_ds, prompt_ids) X(promptids, prompt_ids) X(promptt_ids, prompt_ids) \
  X(promt_ids, prompt_ids) X(promtp_ids, prompt_ids) X(proompt_ids, prompt_ids) \
  X(propmt_ids, prompt_ids) X(propt_ids, prompt_ids) X(prrompt_ids, prompt_ids) \
  X(rompt_ids, prompt_ids) X(rpompt_ids, prompt_ids) \
  X(pefix, prefix) X(perfix, prefix) X(pprefix, prefix) X(preefix, prefix) X(preffix, prefix) \
  X(prefi, prefix) X(prefiix, prefix) X(prefixx, prefix) X(prefx, prefix) X(prefxi, prefix) \
  X(preifx, prefix) X(preix, prefix) X(prfeix, prefix) X(prfix, prefix) X(prrefix, prefix) \
  X(refix, prefix) X(rpefix, prefix) \
  X(aafter_layer, after_layer) X(afer_layer, after_layer) X(afetr_layer, after_layer) \
  X(affter_layer, after_layer) X(afte_layer, after_layer) X(afte_rlayer, after_layer) \
  X(afteer_layer, after_layer) X(afterLayer, after_layer) X(after_alyer, after_layer) \
  X(after_ayer, after_layer) X(after_laayer, after_layer) X(after_laer, after_layer) \
  X(after_laeyr, after_layer) X(after_laye, after_layer) X(after_layeer, after_layer) \
  X(after_layerr, after_layer) X(after_layr, after_layer) X(after_layre, after_layer) \
  X(after_layyer, after_layer) X(after_llayer, after_layer) X(after_lyaer, after_layer) \
  X(after_lyer, after_layer) X(afterl_ayer, after_layer) X(afterlayer, after_layer) \
  X(afterr_layer, after_layer) X(aftr_layer, after_layer) X(aftre_layer, after_layer) \
  X(aftter_layer, after_layer) X(ater_layer, after_layer) X(atfer_layer, after_layer) \
  X(fater_layer, after_layer) X(fter_layer, after_layer) \
  X(ccritic_values, critic_values) X(cirtic_values, critic_values) X(citic_values, critic_values) \
  X(criic_values, critic_values) X(criitc_values, critic_values) X(criitic_values, critic_values) \
  X(critc_values, critic_values) X(critci_values, critic_values) X(criti_cvalues, critic_values) \
  X(criti_values, critic_values) X(criticValues, critic_values) X(critic_alues, critic_values) \
  X(critic_avlues, critic_values) X(critic_vaalues, critic_values) X(critic_vales, critic_values) \
  X(critic_valeus, critic_values) X(critic_vallues, critic_values) X(critic_value, critic_values) \
  X(critic_valuees, critic_values) X(critic_valuess, critic_values) \
  X(critic_valus, critic_values) X(critic_valuse, critic_values) X(critic_valuues, critic_values) \
  X(critic_vaues, critic_values) X(critic_vaules, critic_values) X(critic_vlaues, critic_values) \
  X(critic_vlues, critic_values) X(critic_vvalues, critic_values) \
  X(criticc_values, critic_values) X(criticv_alues, critic_values) X(criticvalues, critic_values) \
  X(critiic_values, critic_values) X(crittic_values, critic_values) \
  X(crritic_values, critic_values) X(crtic_values, critic_values) X(crtiic_values, critic_values) \
  X(rcitic_values, critic_values) X(ritic_values, critic_values) \
  X(ccritic_hidden, critic_hidden) X(cirtic_hidden, critic_hidden) X(citic_hidden, critic_hidden) \
  X(criic_hidden, critic_hidden) X(criitc_hidden, critic_hidden) X(criitic_hidden, critic_hidden) \
  X(critc_hidden, critic_hidden) X(critci_hidden, critic_hidden) X(criti_chidden, critic_hidden) \
  X(criti_hidden, critic_hidden) X(criticHidden, critic_hidden) X(critic_hdden, critic_hidden) \
  X(critic_hdiden, critic_hidden) X(critic_hhidden, critic_hidden) \
  X(critic_hiddden, critic_hidden) X(critic_hidde, critic_hidden) \
  X(critic_hiddeen, critic_hidden) X(critic_hiddenn, critic_hidden) \
  X(critic_hiddn, critic_hidden) X(critic_hiddne, critic_hidden) X(critic_hidedn, critic_hidden) \
  X(critic_hiden, critic_hidden) X(critic_hiidden, critic_hidden) X(critic_idden, critic_hidden) \
  X(critic_ihdden, critic_hidden) X(criticc_hidden, critic_hidden) \
  X(critich_idden, critic_hidden) X(critichidden, critic_hidden) X(critiic_hidden, critic_hidden) \
  X(crittic_hidden, critic_hidden) X(crritic_hidden, critic_hidden) \
  X(crtic_hidden, critic_hidden) X(crtiic_hidden, critic_hidden) X(rcitic_hidden, critic_hidden) \
  X(ritic_hidden, critic_hidden) \
  X(eacher_hidden, teacher_hidden) X(etacher_hidden, teacher_hidden) \
  X(tacher_hidden, teacher_hidden) X(taecher_hidden, teacher_hidden) \
  X(teaacher_hidden, teacher_hidden) X(teaccher_hidden, teacher_hidden) \
  X(teacehr_hidden, teacher_hidden) X(teacer_hidden, teacher_hidden) \
  X(teache_hidden, teacher_hidden) X(teache_rhidden, teacher_hidden) \
  X(teacheer_hidden, teacher_hidden) X(teacherHidden, teacher_hidden) \
  X(teacher_hdden, teacher_hidden) X(teacher_hdiden, teacher_hidden) \
  X(teacher_hhidden, teacher_hidden) X(teacher_hiddden, teacher_hidden) \
  X(teacher_hidde, teacher_hidden) X(teacher_hiddeen, teacher_hidden) \
  X(teacher_hiddenn, teacher_hidden) X(teacher_hiddn, teacher_hidden) \
  X(teacher_hiddne, teacher_hidden) X(teacher_hidedn, teacher_hidden) \
  X(teacher_hiden, teacher_hidden) X(teacher_hiidden, teacher_hidden) \
  X(teacher_idden, teacher_hidden) X(teacher_ihdden, teacher_hidden) \
  X(teacherh_idden, teacher_hidden) X(teacherhidden, teacher_hidden) \
  X(teacherr_hidden, teacher_hidden) X(teachher_hidden, teacher_hidden) \
  X(teachr_hidden, teacher_hidden) X(teachre_hidden, teacher_hidden) \
  X(teahcer_hidden, teacher_hidden) X(teaher_hidden, teacher_hidden) \
  X(tecaher_hidden, teacher_hidden) X(techer_hidden, teacher_hidden) \
  X(teeacher_hidden, teacher_hidden) X(tteacher_hidden, teacher_hidden) \
  X(eacher_logits, teacher_logits) X(etacher_logits, teacher_logits) \
  X(tacher_logits, teacher_logits) X(taecher_logits, teacher_logits) \
  X(teaacher_logits, teacher_logits) X(teaccher_logits, teacher_logits) \
  X(teacehr_logits, teacher_logits) X(teacer_logits, teacher_logits) \
  X(teache_logits, teacher_logits) X(teache_rlogits, teacher_logits) \
  X(teacheer_logits, teacher_logits) X(teacherLogits, teacher_logits) \
  X(teacher_lgits, teacher_logits) X(teacher_lgoits, teacher_logits) \
  X(teacher_llogits, teacher_logits) X(teacher_loggits, teacher_logits) \
  X(teacher_logiits, teacher_logits) X(teacher_logis, teacher_logits) \
  X(teacher_logist, teacher_logits) X(teacher_logit, teacher_logits) \
  X(teacher_logitss, teacher_logits) X(teacher_logitts, teacher_logits) \
  X(teacher_logtis, teacher_logits) X(teacher_logts, teacher_logits) \
  X(teacher_loigts, teacher_logits) X(teacher_loits, teacher_logits) \
  X(teacher_loogits, teacher_logits) X(teacher_ogits, teacher_logits) \
  X(teacher_olgits, teacher_logits) X(teacherl_ogits, teacher_logits) \
  X(teacherlogits, teacher_logits) X(teacherr_logits, teacher_logits) \
  X(teachher_logits, teacher_logits) X(teachr_logits, teacher_logits) \
  X(teachre_logits, teacher_logits) X(teahcer_logits, teacher_logits) \
  X(teaher_logits, teacher_logits) X(tecaher_logits, teacher_logits) \
  X(techer_logits, teacher_logits) X(teeacher_logits, teacher_logits) \
  X(tteacher_logits, teacher_logits) \
  X(bbegin_batch, begin_batch) X(beegin_batch, begin_batch) X(beggin_batch, begin_batch) \
  X(begi_batch, begin_batch) X(begi_nbatch, begin_batch) X(begiin_batch, begin_batch) \
  X(beginBatch, begin_batch) X(begin_abtch, begin_batch) X(begin_atch, begin_batch) \
  X(begin_baatch, begin_batch) X(begin_bach, begin_batch) X(begin_bacth, begin_batch) \
  X(begin_batc, begin_batch) X(begin_batcch, begin_batch) X(begin_batchh, begin_batch) \
  X(begin_bath, begin_batch) X(begin_bathc, begin_batch) X(begin_battch, begin_batch) \
  X(begin_bbatch, begin_batch) X(begin_btach, begin_batch) X(begin_btch, begin_batch) \
  X(beginb_atch, begin_batch) X(beginbatch, begin_batch) X(beginn_batch, begin_batch) \
  X(begn_batch, begin_batch) X(begni_batch, begin_batch) X(beign_batch, begin_batch) \
  X(bein_batch, begin_batch) X(bgein_batch, begin_batch) X(bgin_batch, begin_batch) \
  X(ebgin_batch, begin_batch) X(egin_batch, begin_batch) \
  X(ed_batch, end_batch) X(edn_batch, end_batch) X(eend_batch, end_batch) X(en_batch, end_batch) \
  X(en_dbatch, end_batch) X(endBatch, end_batch) X(end_abtch, end_batch) X(end_atch, end_batch) \
  X(end_baatch, end_batch) X(end_bach, end_batch) X(end_bacth, end_batch) X(end_batc, end_batch) \
  X(end_batcch, end_batch) X(end_batchh, end_batch) X(end_bath, end_batch) \
  X(end_bathc, end_batch) X(end_battch, end_batch) X(end_bbatch, end_batch) \
  X(end_btach, end_batch) X(end_btch, end_batch) X(endb_atch, end_batch) X(endbatch, end_batch) \
  X(endd_batch, end_batch) X(ennd_batch, end_batch) X(nd_batch, end_batch) \
  X(ned_batch, end_batch) \
  X(ccheckpoint_tensors, checkpoint_tensors) X(ceckpoint_tensors, checkpoint_tensors) \
  X(cehckpoint_tensors, checkpoint_tensors) X(chcekpoint_tensors, checkpoint_tensors) \
  X(chckpoint_tensors, checkpoint_tensors) X(checckpoint_tensors, checkpoint_tensors) \
  X(checkkpoint_tensors, checkpoint_tensors) X(checkoint_tensors, checkpoint_tensors) \
  X(checkopint_tensors, checkpoint_tensors) X(checkpint_tensors, checkpoint_tensors) \
  X(checkpiont_tensors, checkpoint_tensors) X(checkpoiint_tensors, checkpoint_tensors) \
  X(checkpoin_tensors, checkpoint_tensors) X(checkpoin_ttensors, checkpoint_tensors) \
  X(checkpoinnt_tensors, checkpoint_tensors) X(checkpointTensors, checkpoint_tensors) \
  X(checkpoint_ensors, checkpoint_tensors) X(checkpoint_etnsors, checkpoint_tensors) \
  X(checkpoint_teensors, checkpoint_tensors) X(checkpoint_tennsors, checkpoint_tensors) \
  X(checkpoint_tenors, checkpoint_tensors) X(checkpoint_tenosrs, checkpoint_tensors) \
  X(checkpoint_tensoors, checkpoint_tensors) X(checkpoint_tensor, checkpoint_tensors) \
  X(checkpoint_tensorrs, checkpoint_tensors) X(checkpoint_tensorss, checkpoint_tensors) \
  X(checkpoint_tensos, checkpoint_tensors) X(checkpoint_tensosr, checkpoint_tensors) \
  X(checkpoint_tensros, checkpoint_tensors) X(checkpoint_tensrs, checkpoint_tensors) \
  X(checkpoint_tenssors, checkpoint_tensors) X(checkpoint_tesnors, checkpoint_tensors) \
  X(checkpoint_tesors, checkpoint_tensors) X(checkpoint_tnesors, checkpoint_tensors) \
  X(checkpoint_tnsors, checkpoint_tensors) X(checkpoint_ttensors, checkpoint_tensors) \
  X(checkpointt_ensors, checkpoint_tensors) X(checkpointt_tensors, checkpoint_tensors) \
  X(checkpointtensors, checkpoint_tensors) X(checkpoit_tensors, checkpoint_tensors) \
  X(checkpoitn_tensors, checkpoint_tensors) X(checkponit_tensors, checkpoint_tensors) \
  X(checkpont_tensors, checkpoint_tensors) X(checkpooint_tensors, checkpoint_tensors) \
  X(checkppoint_tensors, checkpoint_tensors) X(checpkoint_tensors, checkpoint_tensors) \
  X(checpoint_tensors, checkpoint_tensors) X(cheeckpoint_tensors, checkpoint_tensors) \
  X(chekcpoint_tensors, checkpoint_tensors) X(chekpoint_tensors, checkpoint_tensors) \
  X(chheckpoint_tensors, checkpoint_tensors) X(hceckpoint_tensors, checkpoint_tensors) \
  X(heckpoint_tensors, checkpoint_tensors) \
  X(elease_masters, release_masters) X(erlease_masters, release_masters) \
  X(reease_masters, release_masters) X(reelase_masters, release_masters) \
  X(reelease_masters, release_masters) X(relaese_masters, release_masters) \
  X(relase_masters, release_masters) X(releaase_masters, release_masters) \
  X(releae_masters, release_masters) X(releaes_masters, release_masters) \
  X(releas_emasters, release_masters) X(releas_masters, release_masters) \
  X(releaseMasters, release_masters) X(release_amsters, release_masters) \
  X(release_asters, release_masters) X(release_maasters, release_masters) \
  X(release_masers, release_masters) X(release_masetrs, release_masters) \
  X(release_massters, release_masters) X(release_masteers, release_masters) \
  X(release_master, release_masters) X(release_masterrs, release_masters) \
  X(release_masterss, release_masters) X(release_mastes, release_masters) \
  X(release_mastesr, release_masters) X(release_mastres, release_masters) \
  X(release_mastrs, release_masters) X(release_mastters, release_masters) \
  X(release_maters, release_masters) X(release_matsers, release_masters) \
  X(release_mmasters, release_masters) X(release_msaters, release_masters) \
  X(release_msters, release_masters) X(releasee_masters, release_masters) \
  X(releasem_asters, release_masters) X(releasemasters, release_masters) \
  X(releasse_masters, release_masters) X(releease_masters, release_masters) \
  X(relesae_masters, release_masters) X(relese_masters, release_masters) \
  X(rellease_masters, release_masters) X(rlease_masters, release_masters) \
  X(rleease_masters, release_masters) X(rrelease_masters, release_masters) \
  X(eference, reference) X(erference, reference) X(reeference, reference) X(reefrence, reference) \
  X(reerence, reference) X(refeence, reference) X(refeerence, reference) X(refeernce, reference) \
  X(referece, reference) X(referecne, reference) X(refereence, reference) X(referenc, reference) \
  X(referencce, reference) X(referencee, reference) X(referene, reference) \
  X(referenec, reference) X(referennce, reference) X(refernce, reference) X(refernece, reference) \
  X(referrence, reference) X(refference, reference) X(refreence, reference) \
  X(refrence, reference) X(rfeerence, reference) X(rference, reference) X(rreference, reference) \
  X(eights_version, weights_version) X(ewights_version, weights_version) \
  X(weeights_version, weights_version) X(weghts_version, weights_version) \
  X(wegihts_version, weights_version) X(weigghts_version, weights_version) \
  X(weighhts_version, weights_version) X(weighs_version, weights_version) \
  X(weighst_version, weights_version) X(weight_sversion, weights_version) \
  X(weight_version, weights_version) X(weightsVersion, weights_version) \
  X(weights_ersion, weights_version) X(weights_evrsion, weights_version) \
  X(weights_veersion, weights_version) X(weights_verion, weights_version) \
  X(weights_verison, weights_version) X(weights_verrsion, weights_version) \
  X(weights_versiion, weights_version) X(weights_versin, weights_version) \
  X(weights_versino, weights_version) X(weights_versio, weights_version) \
  X(weights_versionn, weights_version) X(weights_versioon, weights_version) \
  X(weights_versoin, weights_version) X(weights_verson, weights_version) \
  X(weights_verssion, weights_version) X(weights_vesion, weights_version) \
  X(weights_vesrion, weights_version) X(weights_vresion, weights_version) \
  X(weights_vrsion, weights_version) X(weights_vversion, weights_version) \
  X(weightss_version, weights_version) X(weightsv_ersion, weights_version) \
  X(weightsversion, weights_version) X(weightts_version, weights_version) \
  X(weigths_version, weights_version) X(weigts_version, weights_version) \
  X(weihgts_version, weights_version) X(weihts_version, weights_version) \
  X(weiights_version, weights_version) X(wieghts_version, weights_version) \
  X(wights_version, weights_version) X(wweights_version, weights_version)
